// What the surroundings said about GPUs before anybody looked for one: who finds none where there should be
// some must not train on the CPU in silence.
#pragma once

#include <string>

namespace vitrail::trainer {

struct GpuPromise {
  std::string by;       // "SLURM_GPUS_ON_NODE = 8"; empty: nobody said that there are any
  bool hidden = false;  // Slurm gave some, and CUDA_VISIBLE_DEVICES shows none
};

// Why there is none, and what to do about it. `with_cuda`: this program was built with it.
struct NoGpu {
  std::string why, way_out;
};
NoGpu why_no_gpu(const GpuPromise& promise, bool with_cuda, bool driver);

}  // namespace vitrail::trainer
