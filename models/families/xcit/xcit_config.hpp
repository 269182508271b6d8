// XCiT's numbers (El-Nouby et al., NeurIPS 2021): cross-covariance attention, local patch interaction with
// batch norm and an MLP in every block, a convolutional stem with batch norm, positions from sines; then two
// blocks of class attention that move the patches, too. As its authors' code, weight decay applies to the
// temperatures and to the projection of the positions, and stochastic depth has one rate in all blocks, none
// in class attention. Throws: Error(refused) naming the key.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/transformer_config.hpp"
#include "models/heads/linear_head.hpp"

namespace vitrail::models {

struct XcitBlockId {
  std::optional<ParameterId> scale1, scale3;
  AffineId norm1, qkv, proj, norm3, conv1, conv2;
  ParameterId temperature = 0;
  BatchNormId local_norm;
  MlpId mlp;
};

struct XcitClassBlockId {
  std::optional<ParameterId> scale1;
  AffineId norm1;
  ClassAttentionId attention;
  MlpId mlp;
};

struct XcitParameters {
  ParameterId class_token = 0;
  std::vector<NormedWeightId> stem;
  AffineId position, norm;  // position: a convolution of one pixel
  std::vector<XcitBlockId> blocks;
  std::vector<XcitClassBlockId> class_blocks;
  LinearHead head;
};

struct XcitConfig : TransformerConfig {
  static constexpr std::int64_t kClassLayers = 2, kFrequencies = 32;  // of the latter for either axis

  bool tokens_are_normed = true;  // patches, too, before the MLP of class attention

  std::int64_t stem_layers() const { return patch == 16 ? 4 : 3; }
  std::int64_t side() const;  // of the map of patches: the stem's convolutions round up
  std::int64_t map() const { return side() * side(); }
  std::int64_t tokens() const { return map() + 1; }
  std::int64_t pixels_used() const { return image_size; }
  std::optional<std::int64_t> smallest_view() const { return patch; }

  XcitParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static XcitConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
