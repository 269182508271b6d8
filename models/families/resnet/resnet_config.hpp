// ResNet's numbers (He et al., CVPR 2016) with the stride in the 3x3 convolution, as PyTorch's; also with
// attention pooling in place of the mean over pixels (Touvron et al. 2021, "Augmenting convolutional networks
// with attention-based aggregation"). Of that nobody published the code: here its one block is
// PatchConvNet's, of one head, with an MLP of ratio 3 and LayerScale from 1e-6 (model.layer_scale chooses
// another), the last norm behind it and none before it. Throws: Error(refused) naming the key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/families/model_names.hpp"
#include "models/families/named_config.hpp"
#include "models/heads/linear_head.hpp"

namespace vitrail::models {

struct ResidualId {
  std::vector<NormedWeightId> convolutions;
  std::optional<NormedWeightId> projection;  // of the input, where its shape changes
  std::int64_t stride = 1;

  // Of that convolution: the first 3x3 one has the block's.
  std::int64_t stride_of(std::size_t convolution) const {
    return convolution + 2 == convolutions.size() ? stride : 1;
  }
};

struct AttentionPoolingId {
  ParameterId class_token = 0;
  ClassBlockId block;
  AffineId norm;
};

struct ResNetParameters {
  NormedWeightId stem;
  std::vector<ResidualId> blocks;
  std::optional<AttentionPoolingId> pooling;
  LinearHead head;
};

struct ResNetConfig : NamedConfig {
  bool bottleneck = true, attention_pooling = false;
  std::int64_t stem = 64;
  std::array<std::int64_t, 4> widths = {64, 128, 256, 512}, depths = {};
  double layer_scale = 1e-6;  // of attention pooling

  std::optional<std::int64_t> smallest_view() const {
    return attention_pooling ? std::nullopt : std::optional<std::int64_t>(1);
  }
  std::int64_t expansion() const { return bottleneck ? 4 : 1; }

  ResNetParameters declare(Declaration& d) const;

  static std::vector<ModelNames> names();
  static ResNetConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
