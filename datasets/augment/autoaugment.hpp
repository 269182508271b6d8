// AutoAugment's policy for ImageNet (Cubuk et al., CVPR 2019) as timm 1.0.31 writes and draws it: one of 25
// pairs of operations, each done with its own probability. original, or originalr (posterize as in the
// authors' later code), and -mstdX, the standard deviation of magnitudes (0). Throws: Error(usage) with what
// it does not know.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "datasets/augment/operation_level.hpp"

namespace vitrail::datasets {

struct AutoAugment {
  struct Step {
    OperationKind kind;
    LevelLaw law;
    double probability;
    int magnitude;
  };
  using Pair = std::array<Step, 2>;

  std::span<const Pair> pairs;
  bool increasing = false;  // posterize is harder with the magnitude
  double deviation = 0.0;
};

AutoAugment parse_autoaugment(const std::string& text);
std::string complaint_about_autoaugment(const std::string& text);  // empty where it can be parsed

// The operations of one image, in order; those that its probability leaves out are not there.
std::vector<Operation> draw_operations(const AutoAugment& config, int image_size, Philox& stream);

}  // namespace vitrail::datasets
