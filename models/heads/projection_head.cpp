#include "models/heads/projection_head.hpp"

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/batch_norm.hpp"
#include "models/layers/bound.hpp"
#include "models/layers/layers.hpp"

namespace vitrail::models {

Logits ProjectionHead::operator()(const Features& features, const Bound& p, const Pass& pass) const {
  at::Tensor x = features.pooled;
  for (const Layer& layer : layers) {
    if (&layer != &layers.front()) x = at::gelu(x);
    x = linear(x, p[layer.linear]);
    if (layer.norm) x = batch_norm(x, *layer.norm, p, pass);
  }
  const at::Tensor& stored = p[directions];
  const at::Tensor wide = widened(stored);
  const at::Tensor prototypes = wide * (p[lengths] / at::linalg_vector_norm(wide, 2, {1}, true));
  return {linear(over_length(widened(x)), {prototypes.to(stored.scalar_type()), {}}), {}};
}

}  // namespace vitrail::models
