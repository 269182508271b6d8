// PatchConvNet's numbers (Touvron et al. 2021, "Augmenting convolutional networks with attention-based
// aggregation"): a stem of four convolutions, columns of pointwise and depthwise convolutions at one
// resolution, then one block of class attention of one head, with a class token or one token for each class.
// Throws: Error(refused) naming the key.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/transformer_config.hpp"
#include "models/heads/head.hpp"

namespace vitrail::models {

struct ColumnBlockId {  // a whole branch
  std::optional<ParameterId> scale;
  AffineId norm;
  std::optional<BatchNormId> batch_norm;  // in place of it
  AffineId enter, depthwise, squeeze, excite, leave;
};

struct PatchConvNetParameters {
  ParameterId class_token = 0;
  std::vector<ParameterId> stem;
  std::vector<ColumnBlockId> blocks;
  ClassBlockId aggregation;
  AffineId norm;
  std::optional<Head> head;
};

// With batch norm that takes the place of the columns' norms; what the published form does to the norms of
// the last block and behind it is unsaid: here they stay LayerNorm. LayerScale starts at 1e-4 in S60 and
// below and at 1e-6 in all others, of which S20, S36 and B36 are not published either; model.layer_scale
// chooses another value.
struct PatchConvNetConfig : TransformerConfig {
  static constexpr std::int64_t kStemLayers = 4, kSqueezed = 4, kMlpRatioOfAggregation = 3;

  bool token_for_each_class = false, batch_normed = false;

  std::int64_t side() const;  // of the map of patches: the stem's convolutions round up
  std::int64_t map() const { return side() * side(); }
  std::int64_t class_tokens() const { return token_for_each_class ? classes : 1; }
  std::int64_t tokens() const { return map() + class_tokens(); }
  std::int64_t pixels_used() const { return image_size; }

  PatchConvNetParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static PatchConvNetConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
