// ConViT's numbers (d'Ascoli et al., ICML 2021): blocks of gated positional self-attention over patches
// alone, in which each head begins as one tap of a convolution; the class token joins for the last two, plain
// ones. No biases of queries, keys and values. The number of heads is a square. Throws: Error(refused) naming
// the key.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/transformer_config.hpp"
#include "models/heads/linear_head.hpp"

namespace vitrail::models {

struct GatedAttentionId {  // a whole branch
  AffineId norm, proj, position;
  ParameterId gate = 0, qk = 0, v = 0;
};

struct PlainAttentionId {  // a whole branch
  AffineId norm, proj;
  ParameterId qkv = 0;
};

struct ConvitBlockId {
  std::optional<GatedAttentionId> gated;
  std::optional<PlainAttentionId> plain;  // where it is not
  MlpId mlp;
};

struct ConvitParameters {
  ParameterId class_token = 0, position = 0;
  AffineId patch, norm;
  std::vector<ConvitBlockId> blocks;
  LinearHead head;
};

struct ConvitConfig : TransformerConfig {
  static constexpr std::int64_t kPlainBlocks = 2;

  std::int64_t gated_blocks() const { return depth > kPlainBlocks ? depth - kPlainBlocks : 0; }
  std::int64_t tokens() const { return patches() + 1; }

  ConvitParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static ConvitConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
