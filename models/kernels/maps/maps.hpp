// Layers of convolutional networks on the CPU as functions of autograd's, whose maps lie channels last, in
// fp32 or fp64: each sum is over a fixed order of fixed parts, so that bits do not depend on the number of
// threads. Maps [B,C,N,M]; batch norm also takes rows [R,C].
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/kernels/maps/map_kernels.hpp"

namespace vitrail::models {

at::Tensor rows_of_map(const at::Tensor& map);   // [B,C,N,M] -> [B,N,M,C], contiguous; others as they are
at::Tensor map_of_rows(const at::Tensor& rows);  // [B,N,M,C] -> [B,C,N,M]

struct BatchNormed {
  at::Tensor y, mean, variance;  // of the batch [C], the variance unbiased; no gradient comes back by them
};

// By the statistics of the batch. `added` (or undefined) joins the normed, and the sum is rectified where
// that is asked for.
BatchNormed batch_normed(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, double epsilon,
                         const at::Tensor& added, bool rectified);

struct ConvolutionForm {
  std::int64_t stride, padding, groups;
};

// Weight [O,C/groups,k,k], bias [O] or undefined. LibTorch's but for the weight's gradient.
at::Tensor convolved(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const ConvolutionForm& form);

const MapKernelTable& map_kernels();  // the widest that the processor has

template <class Number>
const MapKernels<Number>& map_kernels_of();
template <>
inline const MapKernels<float>& map_kernels_of() {
  return map_kernels().single_precision;
}
template <>
inline const MapKernels<double>& map_kernels_of() {
  return map_kernels().double_precision;
}

}  // namespace vitrail::models
