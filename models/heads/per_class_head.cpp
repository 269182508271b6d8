#include "models/heads/per_class_head.hpp"

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/bound.hpp"

namespace vitrail::models {

Logits PerClassHead::operator()(const Features& features, const Bound& p, const Pass& /*pass*/) const {
  std::vector<at::Tensor> weights, biases;
  for (const AffineId& layer : classes) {
    weights.push_back(p[layer.weight]);
    biases.push_back(p[layer.bias]);
  }
  const at::Tensor weight = at::cat(weights);  // [K,D]
  const at::Tensor products = (features.pooled * widened(weight)).sum(2);
  return {(products + at::cat(biases)).to(weight.scalar_type()), {}};
}

}  // namespace vitrail::models
