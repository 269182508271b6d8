// PatchConvNet (Touvron et al. 2021) in the forms of patchconvnet_config.hpp: images [B,3,S,S] -> logits
// [B,K]. Throws: Error(refused) for images of another shape than the model's.
#pragma once

#include <memory>

#include "models/families/patchconvnet/patchconvnet_config.hpp"
#include "models/model.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const PatchConvNetConfig& config);

}  // namespace vitrail::models
