// The vision transformer (Dosovitskiy et al., ICLR 2021) in the DeiT III form: images [B,3,S,S] -> logits
// [B,K]. Throws: Error(refused) for images of another shape than the model's.
#pragma once

#include <memory>

#include "models/model.hpp"
#include "models/vit_config.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make_vit(const VitConfig& config);

}  // namespace vitrail::models
