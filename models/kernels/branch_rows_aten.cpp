#include <tuple>

#include <ATen/ATen.h>

#include "models/kernels/branch_rows_passes.hpp"
#include "models/layers/precision.hpp"

namespace vitrail::models {

using at::Tensor;

NormedRows norm_of_rows_aten(const Tensor& x, const Tensor& rows, const Tensor& gain, const Tensor& bias,
                             at::ScalarType type) {
  const Tensor gathered = rows.defined() ? x.index_select(0, rows) : x;
  auto [normed, mean, rstd] = at::native_layer_norm(gathered, {x.size(-1)}, gain, bias, kNormEpsilon);
  return {normed.to(type), gathered, mean, rstd};
}

NormGradients norm_of_rows_backward_aten(const Tensor& gradient, const NormedRows& kept, const Tensor& rows,
                                         const Tensor& gain, const Tensor& bias, Tensor& x_gradient) {
  const auto [of_rows, of_gain, of_bias] = at::native_layer_norm_backward(
      gradient.to(gain.scalar_type()), kept.gathered, {gain.size(0)}, kept.mean, kept.rstd, gain, bias,
      {true, gain.requires_grad(), bias.requires_grad()});
  if (rows.defined())
    x_gradient.index_add_(0, rows, of_rows);
  else
    x_gradient.add_(of_rows);
  return {of_gain, of_bias};
}

Tensor add_to_rows_aten(const Tensor& sum, const Tensor& y, const Tensor& gamma, const Tensor& rows,
                        double scale) {
  const Tensor added = (gamma.defined() ? y * gamma : y).to(sum.scalar_type());
  return rows.defined() ? sum.index_add(0, rows, added, scale) : at::add(sum, added, scale);
}

AddGradients add_to_rows_backward_aten(const Tensor& gradient, const Tensor& y, at::ScalarType type,
                                       const Tensor& gamma, const Tensor& rows, double scale) {
  const Tensor of_rows = rows.defined() ? gradient.index_select(0, rows) : gradient;
  const Tensor of_added = scale == 1 ? of_rows : of_rows * scale;
  if (!gamma.defined()) return {of_added.to(type), Tensor()};
  return {(of_added * gamma).to(type), (of_added * y).sum(at::IntArrayRef{0, 1})};
}

}  // namespace vitrail::models
