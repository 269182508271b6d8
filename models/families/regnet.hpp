// RegNetY (Radosavovic et al., CVPR 2020) in evaluation: images [B,3,S,S] -> logits [B,K]. Throws:
// Error(refused) for images of another shape than the model's, and for training.
#pragma once

#include <memory>

#include "models/model.hpp"
#include "models/families/regnet_config.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const RegNetConfig& config);

}  // namespace vitrail::models
