// DINO's head (Caron et al. 2021): three linear layers with GELU between, of which the last is brought to
// length 1, then the products with prototypes, rows of a length of their own. Features [B,D] -> [B,K] in
// Logits::classes. Throws: Error(refused) for a network whose classifier it cannot replace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/declaration.hpp"
#include "models/model_config.hpp"

namespace vitrail::models {

class Bound;
struct Features;
struct Logits;
struct Pass;

struct ProjectionHead {
  struct Layer {
    AffineId linear;
    std::optional<BatchNormId> norm;
  };

  std::vector<Layer> layers;
  ParameterId lengths = 0, directions = 0;  // of the prototypes: [K,1], [K,bottleneck]

  Logits operator()(const Features& features, const Bound& p, const Pass& pass) const;
};

// In the place of the classifier that `d` ends with.
ProjectionHead declare_projection(Declaration& d, const ProjectionConfig& config, const std::string& model);

}  // namespace vitrail::models
