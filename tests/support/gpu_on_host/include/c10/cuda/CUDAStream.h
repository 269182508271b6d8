#pragma once
#include "tests/support/gpu_on_host/cuda.hpp"

namespace c10::cuda {
inline cudaStream_t getCurrentCUDAStream() { return vitrail::tests::gpu_on_host::stream_of_the_host(); }
}  // namespace c10::cuda
