#pragma once
#include <c10/util/Exception.h>

#include "tests/support/gpu_on_host/cuda.hpp"

#define C10_CUDA_KERNEL_LAUNCH_CHECK() \
  TORCH_CHECK(cudaGetLastError() == cudaSuccess, "a kernel was not launched")
