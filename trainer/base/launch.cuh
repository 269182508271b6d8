// Puts a kernel on a stream, a thread block each for `blocks`. The one place where kernels are launched: all
// else in a .cu file is C++ with a few keywords, so that tests run it without a GPU
// (tests/support/gpu_on_host). Errors are left to cudaGetLastError(). C++17, for the CUDA compiler.
#pragma once

#include <cuda_runtime.h>

namespace vitrail {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, cudaStream_t stream,
            const Arguments&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(threads);
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace vitrail
