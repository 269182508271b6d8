#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "models/kernels/dropout_mask.hpp"
#include "models/kernels/dropout_mask_kernel.hpp"

namespace vitrail::models {

void fill_dropout_mask_cuda(const PhiloxStart& start, std::uint32_t below, at::Tensor& mask) {
  const c10::cuda::CUDAGuard guard(mask.device());
  cuda::launch_dropout_mask(c10::cuda::getCurrentCUDAStream().stream(), start, below, mask.size(0),
                            mask.numel() / mask.size(0), mask.data_ptr<bool>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace vitrail::models
