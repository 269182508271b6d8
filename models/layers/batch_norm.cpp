#include "models/layers/batch_norm.hpp"

#include <ATen/ATen.h>

#include "models/kernels/maps/maps.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

constexpr double kEps = 1e-5;

bool by_batch(const BatchNormId& layer, const Pass& pass) {
  if (!pass.training || !pass.follows_batch) return pass.training;
  return pass.follows_batch(layer.mean) || pass.follows_batch(layer.variance);
}

Tensor with_tail(const Tensor& y, const NormTail& tail) {
  const Tensor sum = tail.added.defined() ? y + tail.added : y;
  return tail.rectified ? at::relu(sum) : sum;
}

BatchNormed normed_by_batch(const Tensor& x, const Affine& norm, const NormTail& tail) {
  if (x.is_cpu()) return batch_normed(x, norm.weight, norm.bias, kEps, tail.added, tail.rectified);
  // With momentum 1 the running statistics become the batch's, the variance unbiased as PyTorch keeps it.
  const Tensor mean = at::zeros_like(norm.weight.detach()), variance = at::zeros_like(mean);
  const Tensor y = at::batch_norm(x, norm.weight, norm.bias, mean, variance, true, 1.0, kEps, false);
  return {with_tail(y, tail), mean, variance};
}

Tensor trained_norm(const Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass,
                    const NormTail& tail) {
  if (x.numel() == x.size(1)) {
    throw Error(ExitCode::refused, "batch norm over one value a channel: it has no variance",
                "raise data.global_batch_size or model.image_size, or choose fewer run.lanes");
  }
  const auto [y, mean, variance] = normed_by_batch(x, p[layer.norm], tail);
  if (pass.batch_statistic) {
    pass.batch_statistic(layer.mean, mean);
    pass.batch_statistic(layer.variance, variance);
  }
  return y;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass,
                  const NormTail& tail) {
  const Affine norm = p[layer.norm];
  const Tensor input = x.to(norm.weight.scalar_type());
  if (by_batch(layer, pass)) return trained_norm(input, layer, p, pass, tail);
  return with_tail(at::batch_norm(input, norm.weight, norm.bias, p[layer.mean], p[layer.variance], false, 0.0,
                                  kEps, false),
                   tail);
}

Tensor add_rectified(const StochasticDepth& depth, const Tensor& sum, int index,
                     const std::function<Tensor(const NormTail&)>& branch) {
  if (depth.keeps_all(index)) return branch({sum, true});
  return at::relu(depth.add_computed(sum, branch({}), index));
}

Tensor token_batch_norm(const Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass) {
  return batch_norm(x.flatten(0, 1), layer, p, pass).view(x.sizes());
}

Tensor normed_convolution(const Tensor& x, const NormedWeightId& layer, std::int64_t stride,
                          std::int64_t groups, const Bound& p, const Pass& pass, const NormTail& tail) {
  const Tensor& weight = p[layer.weight];
  const Tensor y = convolution(x, {weight, {}}, stride, weight.size(3) / 2, groups);
  return batch_norm(y, layer.norm, p, pass, tail);
}

Tensor normed_linear(const Tensor& x, const NormedWeightId& layer, const Bound& p, const Pass& pass) {
  return token_batch_norm(linear(x, {p[layer.weight], {}}), layer.norm, p, pass);
}

}  // namespace vitrail::models
