// RegNetY's numbers (Radosavovic et al., CVPR 2020): four stages of bottlenecks with grouped convolutions and
// squeeze-and-excitation.
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

struct BottleneckId {
  NormedWeightId conv1, conv2, conv3;
  AffineId squeeze, excite;                  // convolutions of one pixel
  std::optional<NormedWeightId> projection;  // of the input, where its shape changes
  std::int64_t stride = 1, groups = 1;       // of conv2
};

struct RegNetParameters {
  NormedWeightId stem;
  std::vector<BottleneckId> blocks;
  LinearHead head;
};

struct RegNetConfig : NamedConfig {
  struct Stage {
    std::int64_t width, depth;
  };

  std::int64_t stem = 32, group = 112;  // channels of the stem; of a group of the 3x3 convolutions
  std::array<Stage, 4> stages = {};

  static std::optional<std::int64_t> smallest_view() { return 1; }
  RegNetParameters declare(Declaration& d) const;  // multiply-accumulates: of convolutions and the head

  static std::vector<ModelNames> names();
  static RegNetConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

}  // namespace vitrail::models
