// CaiT's numbers (Touvron et al., ICCV 2021): self-attention blocks with talking heads over patches alone,
// then two blocks of class attention, LayerScale by depth, stochastic depth in the former only.
// Throws: Error(refused) naming the key.
#pragma once

#include <cstdint>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/parameter_spec.hpp"
#include "models/families/transformer_config.hpp"

namespace vitrail::models {

struct CaitConfig : TransformerConfig {
  static constexpr std::int64_t kClassLayers = 2;

  std::int64_t tokens() const { return patches() + 1; }

  ParameterSpecs parameters() const;      // in timm's order
  std::int64_t macs() const;              // of one image, every block computed
  double macs_in_training() const;        // the same where stochastic depth leaves blocks out, on average
  std::int64_t block_macs() const;        // of one block
  std::int64_t activation_bytes() const;  // of one image in fp32

  static std::vector<ModelNames> names();
  static CaitConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
