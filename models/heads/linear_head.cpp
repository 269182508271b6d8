#include "models/heads/linear_head.hpp"

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/bound.hpp"

namespace vitrail::models {

Logits LinearHead::operator()(const Features& features, const Bound& p, const Pass& /*pass*/) const {
  Logits logits{linear(features.pooled, p[classes]), {}};
  if (distillation) logits.distillation = linear(features.distillation, p[*distillation]);
  return logits;
}

}  // namespace vitrail::models
