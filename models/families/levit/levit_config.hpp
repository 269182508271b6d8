// LeViT's numbers (Graham et al., ICCV 2021): a convolutional stem, then three stages of attention and MLPs
// whose linear layers all have batch norm and no bias, on ever fewer tokens; biases of attention by distance;
// two heads, each behind a batch norm of its own. Stochastic depth at one rate in all residual branches.
// Throws: Error(refused) naming the key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/named_config.hpp"
#include "models/heads/linear_head.hpp"

namespace vitrail::models {

struct DistanceAttentionId {
  ParameterId biases = 0;             // [H, patches]: by distance down and across
  std::optional<NormedWeightId> qkv;  // or, where tokens become fewer, the next two
  std::optional<NormedWeightId> kv, q;
  NormedWeightId proj;
  std::int64_t side = 0;  // of the map that is read
};

struct LevitMlpId {
  NormedWeightId first, second;
};

struct LevitBlockId {  // attention without a residual sum where tokens become fewer
  DistanceAttentionId attention;
  LevitMlpId mlp;
};

struct LevitParameters {
  std::vector<NormedWeightId> stem;
  std::vector<LevitBlockId> blocks;
  BatchNormId head_norm, distillation_norm;
  LinearHead head;
};

struct LevitConfig : NamedConfig {
  struct Stage {
    std::int64_t width, heads, depth;
  };
  static constexpr std::int64_t kStemLayers = 4, kValues = 2, kValuesOfFewer = 4, kLevitMlpRatio = 2;

  std::array<Stage, 3> stages = {};
  std::int64_t key = 16;  // channels of a head's queries and keys; values have kValues times as many

  std::int64_t side() const;  // of the map behind the stem, whose convolutions round up
  std::int64_t tokens() const { return side() * side(); }
  std::int64_t blocks() const;

  LevitParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static LevitConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
