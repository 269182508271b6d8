// The vision transformer's numbers in three forms: DeiT III (Touvron, Cord, Jegou, ECCV 2022) with LayerScale
// and a class token that joins after the position embedding; ViT and DeiT, whose tokens have positions of
// their own; DeiT distilled, with a second token and head. DeiT III also with the hMLP stem. Throws:
// Error(refused) naming the key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/transformer_config.hpp"
#include "models/heads/linear_head.hpp"

namespace vitrail::models {

struct VitAttentionId : SelfAttentionId {  // a whole branch
  std::optional<ParameterId> scale;
};

struct VitBlockId {  // one of each, or several in parallel
  std::vector<VitAttentionId> attentions;
  std::vector<MlpId> mlps;
};

struct HmlpLayerId {
  AffineId patches;  // of the layer before
  BatchNormId norm;
};
using HmlpStemId = std::array<HmlpLayerId, 3>;

struct VitParameters {
  ParameterId class_token = 0, position = 0;
  std::optional<ParameterId> distillation_token;
  AffineId patch, norm;
  std::optional<HmlpStemId> hmlp;  // in place of the patch embedding
  std::vector<VitBlockId> blocks;
  LinearHead head;
};

struct VitConfig : TransformerConfig {
  std::int64_t parallel = 1;          // attention branches of a block side by side, then so many MLPs
  bool tokens_have_position = false;  // class (and distillation) token
  bool distilled = false;
  double dropout = 0;  // behind positions and all linear layers but those of queries, keys and values
  bool hmlp = false;   // stem of three layers with batch norm
  Pooling pooling = Pooling::token;
  std::int64_t masked = 0;  // patches that are not looked at while training; then positions are fixed waves

  std::int64_t added_tokens() const { return distilled ? 2 : 1; }
  std::int64_t tokens() const { return patches() + added_tokens(); }
  std::optional<std::int64_t> smallest_view() const { return patch; }
  std::int64_t tokens_in_training() const { return tokens() - masked; }
  // Whether training needs patches behind that block: behind the last one no head that reads a token does,
  // but dropout draws for all, and a decoder reads all.
  bool patches_are_read(std::int64_t layer) const;

  VitParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static VitConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
