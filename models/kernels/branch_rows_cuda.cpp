#include <algorithm>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "models/kernels/branch_rows_cuda_kernels.hpp"
#include "models/kernels/branch_rows_passes.hpp"
#include "models/kernels/stored_type_of.hpp"
#include "models/layers/precision.hpp"

// B images, R of them kept, T tokens, D width.
namespace vitrail::models {
namespace {

using at::Tensor;

cuda::BranchRows shape_of(const Tensor& all, const Tensor& rows, at::ScalarType type) {
  const std::int64_t kept = rows.defined() ? rows.size(0) : all.size(0);
  return {all.size(0),
          kept,
          all.size(1),
          all.size(2),
          rows.defined(),
          rows.defined() ? rows.const_data_ptr<std::int64_t>() : nullptr,
          stored_type_of(type, "a residual branch")};
}

// Of parameters that have no more than one share, as no branch without images has.
Tensor sum_of_shares(const Tensor& shares, CUstream_st* stream) {
  const Tensor sums = at::empty(shares.sizes().slice(1), shares.options());
  cuda::launch_sum_of_shares(shares.const_data_ptr<float>(), shares.size(0), sums.numel(),
                             sums.mutable_data_ptr<float>(), stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return sums;
}

cuda::NormOfRows norm_with(const Tensor& gain, const Tensor& bias, const Tensor& mean, const Tensor& rstd) {
  return {gain.const_data_ptr<float>(), bias.defined() ? bias.const_data_ptr<float>() : nullptr,
          mean.mutable_data_ptr<float>(), rstd.mutable_data_ptr<float>()};
}

}  // namespace

NormedRows norm_of_rows_cuda(const Tensor& x, const Tensor& rows, const Tensor& gain, const Tensor& bias,
                             at::ScalarType type) {
  const c10::cuda::CUDAGuard device(x.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const Tensor all = x.contiguous();
  const cuda::BranchRows shape = shape_of(all, rows, type);
  NormedRows kept;
  kept.normed = at::empty({shape.kept, shape.tokens, shape.width}, all.options().dtype(type));
  kept.gathered = rows.defined() ? at::empty({shape.kept, shape.tokens, shape.width}, all.options()) : all;
  kept.mean = at::empty({shape.kept, shape.tokens}, all.options());
  kept.rstd = at::empty_like(kept.mean);
  if (kept.normed.numel() == 0) return kept;
  cuda::launch_norm_of_rows(shape, norm_with(gain, bias, kept.mean, kept.rstd), all.const_data_ptr<float>(),
                            static_cast<float>(kNormEpsilon), kept.normed.mutable_data_ptr(),
                            rows.defined() ? kept.gathered.mutable_data_ptr<float>() : nullptr, stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return kept;
}

NormGradients norm_of_rows_backward_cuda(const Tensor& gradient, const NormedRows& kept, const Tensor& rows,
                                         const Tensor& gain, const Tensor& bias, Tensor& x_gradient) {
  if (gradient.numel() == 0) return {at::zeros_like(gain), at::zeros_like(bias)};
  const c10::cuda::CUDAGuard device(gradient.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const Tensor whole = gradient.contiguous();
  const cuda::BranchRows shape = shape_of(x_gradient, rows, whole.scalar_type());
  const Tensor shares = at::empty({shape.blocks(), 2, shape.width}, gain.options());
  cuda::launch_norm_of_rows_backward(shape, norm_with(gain, bias, kept.mean, kept.rstd),
                                     whole.const_data_ptr(), kept.gathered.const_data_ptr<float>(),
                                     x_gradient.mutable_data_ptr<float>(), shares.mutable_data_ptr<float>(),
                                     stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  const Tensor sums = sum_of_shares(shares, stream);
  return {sums[0], sums[1]};
}

Tensor add_to_rows_cuda(const Tensor& sum, const Tensor& y, const Tensor& gamma, const Tensor& rows,
                        double scale) {
  const c10::cuda::CUDAGuard device(sum.device());
  const Tensor base = sum.contiguous(), added = y.contiguous(), out = at::empty_like(base);
  cuda::launch_add_to_rows(shape_of(base, rows, added.scalar_type()), base.const_data_ptr<float>(),
                           added.const_data_ptr(), gamma.defined() ? gamma.const_data_ptr<float>() : nullptr,
                           static_cast<float>(scale), out.mutable_data_ptr<float>(),
                           c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

AddGradients add_to_rows_backward_cuda(const Tensor& gradient, const Tensor& y, at::ScalarType type,
                                       const Tensor& gamma, const Tensor& rows, double scale) {
  const c10::cuda::CUDAGuard device(gradient.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const Tensor whole = gradient.contiguous(), computed = gamma.defined() ? y.contiguous() : y;
  const cuda::BranchRows shape = shape_of(whole, rows, type);
  AddGradients of{at::empty({shape.kept, shape.tokens, shape.width}, whole.options().dtype(type)), Tensor()};
  if (of.y.numel() == 0) return {of.y, gamma.defined() ? at::zeros_like(gamma) : gamma};
  const Tensor shares =
      gamma.defined() ? at::empty({shape.blocks(), shape.width}, whole.options()) : Tensor();
  cuda::launch_add_to_rows_backward(
      shape, whole.const_data_ptr<float>(), gamma.defined() ? computed.const_data_ptr() : nullptr,
      gamma.defined() ? gamma.const_data_ptr<float>() : nullptr, static_cast<float>(scale),
      of.y.mutable_data_ptr(), gamma.defined() ? shares.mutable_data_ptr<float>() : nullptr, stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  if (gamma.defined()) of.gamma = sum_of_shares(shares, stream);
  return of;
}

}  // namespace vitrail::models
