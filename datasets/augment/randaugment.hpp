// RandAugment as timm 1.0.31 writes and draws it: rand-m9-mstd0.5-inc1 and the rest of its grammar, sections
// in any order: mN magnitude (10, at most 100), nN operations for each image (2, at most 64), pX probability
// of each (0.5), mstdX standard deviation of the magnitude (0; above 100: uniform from 0 to it), mmaxN its
// upper bound (10), inc1 severity rises with magnitude, tweights, t3a, t3aw sets of operations. Throws:
// Error(usage) with what it does not know.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/augment/operation_level.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

struct RandAugment {
  struct Choice {
    OperationKind kind;
    LevelLaw law;
    double weight = 1.0;
  };

  std::vector<Choice> choices;
  bool weighted = false;  // by weight and never twice for one image; else all alike, with replacement
  int layers = 2;
  Level level = {10};
  double probability = 0.5;
};

RandAugment parse_randaugment(const std::string& text);
std::string complaint_about_randaugment(const std::string& text);  // empty where it can be parsed

// The operations of one image, in order; those that its probability leaves out are not there.
std::vector<Operation> draw_operations(const RandAugment& config, int image_size, Philox& stream);

}  // namespace vitrail::datasets
