// The classifier on a network's features: a linear layer, and a second one on the distillation token where
// there is one. Features [B,D] -> logits [B,K].
#pragma once

#include <optional>

#include "models/declaration.hpp"

namespace vitrail::models {

class Bound;
struct Features;
struct Logits;

struct LinearHead {
  AffineId classes;
  std::optional<AffineId> distillation;

  Logits operator()(const Features& features, const Bound& p) const;
};

}  // namespace vitrail::models
