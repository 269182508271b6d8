// The classifier on a network's features: a linear layer, and a second one on the distillation token where
// there is one. Features [B,D] -> logits [B,K].
#pragma once

#include <optional>

#include "models/declaration.hpp"

namespace vitrail::models {

class Bound;
struct Features;
struct Logits;
struct Pass;

struct LinearHead {
  AffineId classes;
  std::optional<AffineId> distillation;

  Logits operator()(const Features& features, const Bound& p, const Pass& pass) const;
};

}  // namespace vitrail::models
