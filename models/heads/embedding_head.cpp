#include "models/heads/embedding_head.hpp"

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/batch_norm.hpp"
#include "models/layers/bound.hpp"

namespace vitrail::models {
namespace {

at::Tensor through(const EmbeddingHead::Layers& layers, const at::Tensor& x, const Bound& p,
                   const Pass& pass) {
  const at::Tensor first = linear(x, p[layers.first]);
  if (!layers.norm) return first;
  return linear(at::relu(batch_norm(first, *layers.norm, p, pass)), p[layers.second]);
}

}  // namespace

Logits EmbeddingHead::operator()(const Features& features, const Bound& p, const Pass& pass) const {
  const at::Tensor embedding = through(projector, features.pooled, p, pass);
  return {embedding, predictor ? through(*predictor, embedding, p, pass) : at::Tensor()};
}

}  // namespace vitrail::models
