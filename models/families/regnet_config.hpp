// RegNetY's numbers (Radosavovic et al., CVPR 2020): four stages of bottlenecks with grouped convolutions and
// squeeze-and-excitation. It is here as the published teacher, for evaluation only.
// Throws: Error(refused) naming the key.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/model_config.hpp"
#include "models/families/model_names.hpp"
#include "models/parameter_spec.hpp"

namespace vitrail::models {

struct RegNetConfig {
  struct Stage {
    std::int64_t width, depth;
  };

  std::string name;
  std::int64_t stem = 32, group = 112;  // channels of the stem; of a group of the 3x3 convolutions
  std::array<Stage, 4> stages = {};
  std::int64_t image_size = 224, classes = 1000;

  std::int64_t tokens() const { return 0; }
  std::int64_t pixels_used() const { return image_size; }

  ParameterSpecs parameters() const;                   // and running statistics, in timm's order
  std::int64_t macs() const;                           // of one image: convolutions and the head
  std::int64_t activation_bytes() const { return 0; }  // never trained
  double macs_in_training() const { return 0; }        // likewise

  static std::vector<ModelNames> names();
  static RegNetConfig resolve(const ModelConfig& config);  // config.name is one of names()
};

// One bottleneck: where it stands and its channels.
struct RegNetBlock {
  std::string name;  // "s1.b1"
  std::int64_t in, out, stride, squeezed;

  bool has_projection() const { return in != out || stride != 1; }
};

std::vector<RegNetBlock> regnet_blocks(const RegNetConfig& config);  // in the order of the forward pass

}  // namespace vitrail::models
