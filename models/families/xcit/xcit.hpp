// XCiT (El-Nouby et al., NeurIPS 2021): images [B,3,S,S] -> logits [B,K]. Throws: Error(refused) for images
// of another shape than the model's.
#pragma once

#include <memory>

#include "models/families/xcit/xcit_config.hpp"
#include "models/model.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const XcitConfig& config);

}  // namespace vitrail::models
