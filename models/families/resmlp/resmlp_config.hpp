// ResMLP's numbers (Touvron et al. 2021, "ResMLP: feedforward networks for image classification with
// data-efficient training"): tokens mixed by one linear layer, an affine map in place of a norm. LayerScale
// and stochastic depth as its authors' code has them: the former starts by depth, B24 as S36; the latter at
// one rate in all layers. The mixing layer knows one number of patches: weights are of one image size.
// Throws: Error(refused) naming the key.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/transformer_config.hpp"
#include "models/heads/linear_head.hpp"

namespace vitrail::models {

struct ResMlpBlockId {
  AffineId norm1, mixing, norm2, fc1, fc2;
  std::optional<ParameterId> scale1, scale2;
};

struct ResMlpParameters {
  AffineId patch, norm;
  std::vector<ResMlpBlockId> blocks;
  LinearHead head;
};

struct ResMlpConfig : TransformerConfig {
  std::int64_t tokens() const { return patches(); }

  ResMlpParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static ResMlpConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
