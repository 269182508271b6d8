// LeViT (Graham et al., ICCV 2021): images [B,3,S,S] -> logits [B,K] of two heads. Throws: Error(refused) for
// images of another shape than the model's.
#pragma once

#include <memory>

#include "models/families/levit/levit_config.hpp"
#include "models/model.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const LevitConfig& config);

}  // namespace vitrail::models
