// ConViT (d'Ascoli et al., ICML 2021): images [B,3,S,S] -> logits [B,K]. Throws: Error(refused) for images of
// another shape than the model's.
#pragma once

#include <memory>

#include "models/families/convit/convit_config.hpp"
#include "models/model.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const ConvitConfig& config);

}  // namespace vitrail::models
