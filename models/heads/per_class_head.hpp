// A classifier of a token for each class: the class's own linear layer on it, of one output. Features [B,K,D]
// -> logits [B,K].
#pragma once

#include <vector>

#include "models/declaration.hpp"

namespace vitrail::models {

class Bound;
struct Features;
struct Logits;
struct Pass;

struct PerClassHead {
  std::vector<AffineId> classes;  // weights [1,D]

  Logits operator()(const Features& features, const Bound& p, const Pass& pass) const;
};

}  // namespace vitrail::models
