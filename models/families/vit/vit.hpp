// The vision transformer (Dosovitskiy et al., ICLR 2021) in the forms of vit_config.hpp: images [B,3,S,S] ->
// logits [B,K]. Throws: Error(refused) for images of another shape than the model's.
#pragma once

#include <memory>

#include "models/families/vit/vit_config.hpp"
#include "models/model.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const VitConfig& config);

}  // namespace vitrail::models
