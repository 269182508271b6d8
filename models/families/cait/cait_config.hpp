// CaiT's numbers (Touvron et al., ICCV 2021): self-attention blocks with talking heads over patches alone,
// then two blocks of class attention, LayerScale by depth, stochastic depth in the former only.
// Throws: Error(refused) naming the key.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/transformer_config.hpp"
#include "models/heads/linear_head.hpp"

namespace vitrail::models {

struct TalkingAttentionId : SelfAttentionId {  // a whole branch
  AffineId logits, weights;                    // mix the heads before and after the softmax
  std::optional<ParameterId> scale;
};

struct CaitBlockId {
  TalkingAttentionId attention;
  MlpId mlp;
};

struct CaitParameters {
  ParameterId class_token = 0, position = 0;
  AffineId patch, norm;
  std::vector<CaitBlockId> blocks;
  std::vector<ClassBlockId> class_blocks;
  LinearHead head;
};

struct CaitConfig : TransformerConfig {
  static constexpr std::int64_t kClassLayers = 2;

  std::int64_t tokens() const { return patches() + 1; }

  CaitParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static CaitConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
