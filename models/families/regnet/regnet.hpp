// RegNetY (Radosavovic et al., CVPR 2020): images [B,3,S,S] -> logits [B,K]. Throws: Error(refused) for
// images of another shape than the model's.
#pragma once

#include <memory>

#include "models/families/regnet/regnet_config.hpp"
#include "models/model.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const RegNetConfig& config);

}  // namespace vitrail::models
