#include "models/layers/batch_norm.hpp"

#include <ATen/ATen.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

constexpr double kEps = 1e-5;

bool by_batch(const BatchNormId& layer, const Pass& pass) {
  if (!pass.training || !pass.follows_batch) return pass.training;
  return pass.follows_batch(layer.mean) || pass.follows_batch(layer.variance);
}

Tensor trained_norm(const Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass) {
  if (x.numel() == x.size(1)) {
    throw Error(ExitCode::refused, "batch norm over one value a channel: it has no variance",
                "raise data.global_batch_size or model.image_size, or choose fewer run.lanes");
  }
  // With momentum 1 the running statistics become the batch's, the variance unbiased as PyTorch keeps it.
  const Tensor mean = at::zeros_like(p[layer.mean].detach());
  const Tensor variance = at::zeros_like(p[layer.variance].detach());
  const Affine norm = p[layer.norm];
  const Tensor y = at::batch_norm(x, norm.weight, norm.bias, mean, variance, true, 1.0, kEps, false);
  if (pass.batch_statistic) {
    pass.batch_statistic(layer.mean, mean);
    pass.batch_statistic(layer.variance, variance);
  }
  return y;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass) {
  const Affine norm = p[layer.norm];
  const Tensor input = x.to(norm.weight.scalar_type());
  if (by_batch(layer, pass)) return trained_norm(input, layer, p, pass);
  return at::batch_norm(input, norm.weight, norm.bias, p[layer.mean], p[layer.variance], false, 0.0, kEps,
                        false);
}

Tensor token_batch_norm(const Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass) {
  return batch_norm(x.flatten(0, 1), layer, p, pass).view(x.sizes());
}

Tensor normed_convolution(const Tensor& x, const NormedWeightId& layer, std::int64_t stride,
                          std::int64_t groups, const Bound& p, const Pass& pass) {
  const Tensor& weight = p[layer.weight];
  return batch_norm(convolution(x, {weight, {}}, stride, weight.size(3) / 2, groups), layer.norm, p, pass);
}

Tensor normed_linear(const Tensor& x, const NormedWeightId& layer, const Bound& p, const Pass& pass) {
  return token_batch_norm(linear(x, {p[layer.weight], {}}), layer.norm, p, pass);
}

}  // namespace vitrail::models
