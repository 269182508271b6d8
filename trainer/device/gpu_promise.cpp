#include "trainer/device/gpu_promise.hpp"

namespace vitrail::trainer {

NoGpu why_no_gpu(const GpuPromise& promise, bool with_cuda, bool driver) {
  if (!with_cuda) {
    return {"this program was built without CUDA",
            "build it with `cmake --preset cuda`, or set run.device = cpu to train on the CPU"};
  }
  if (promise.hidden) {
    return {"CUDA_VISIBLE_DEVICES hides all GPUs that Slurm gave",
            "leave CUDA_VISIBLE_DEVICES to Slurm, or set run.device = cpu to train on the CPU"};
  }
  if (!driver) {
    return {"there is no NVIDIA driver (/proc/driver/nvidia is missing)",
            "use a node with GPUs (in a container: with its GPUs, as apptainer exec --nv shows them), or set "
            "run.device = cpu to train on the CPU"};
  }
  return {
      "the driver is there, but it shows LibTorch no GPU",
      "look at nvidia-smi: a driver that is older than CUDA 13, or a GPU in trouble; run.device = cpu trains "
      "on the CPU"};
}

}  // namespace vitrail::trainer
