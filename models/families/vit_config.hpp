// The vision transformer's numbers in three forms: DeiT III (Touvron, Cord, Jegou, ECCV 2022) with LayerScale
// and a class token that joins after the position embedding; ViT and DeiT, whose tokens have positions of
// their own; DeiT distilled, with a second token and head. Throws: Error(refused) naming the key.
#pragma once

#include <cstdint>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/parameter_spec.hpp"
#include "models/families/transformer_config.hpp"

namespace vitrail::models {

struct VitConfig : TransformerConfig {
  std::int64_t parallel = 1;          // attention branches of a block side by side, then so many MLPs
  bool tokens_have_position = false;  // class (and distillation) token
  bool distilled = false;

  std::int64_t added_tokens() const { return distilled ? 2 : 1; }
  std::int64_t tokens() const { return patches() + added_tokens(); }

  ParameterSpecs parameters() const;      // in timm's order
  std::int64_t macs() const;              // of one image, every block computed
  double macs_in_training() const;        // the same where stochastic depth leaves blocks out, on average
  std::int64_t block_macs() const;        // of one block
  std::int64_t activation_bytes() const;  // of one image in fp32

  static std::vector<ModelNames> names();
  static VitConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
