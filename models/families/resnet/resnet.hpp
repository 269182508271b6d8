// ResNet (He et al., CVPR 2016) in the forms of resnet_config.hpp: images [B,3,S,S] -> logits [B,K]. Throws:
// Error(refused) for images of another shape than the model's.
#pragma once

#include <memory>

#include "models/families/resnet/resnet_config.hpp"
#include "models/model.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make(const ResNetConfig& config);

}  // namespace vitrail::models
