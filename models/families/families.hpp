// The families of models, each once: a family is a config with names(), resolve(), declare() and
// tokens(), and a make() for it. Throws: Error(usage) for an unknown name (nearest
// named), Error(refused) for numbers that make no network.
#pragma once

#include <variant>

#include "models/families/cait/cait.hpp"
#include "models/families/convit/convit.hpp"
#include "models/families/levit/levit.hpp"
#include "models/families/patchconvnet/patchconvnet.hpp"
#include "models/families/regnet/regnet.hpp"
#include "models/families/resmlp/resmlp.hpp"
#include "models/families/resnet/resnet.hpp"
#include "models/families/vit/vit.hpp"
#include "models/families/xcit/xcit.hpp"

namespace vitrail::models {

using FamilyConfig = std::variant<VitConfig, CaitConfig, RegNetConfig, ResNetConfig, ResMlpConfig, XcitConfig,
                                  PatchConvNetConfig, ConvitConfig, LevitConfig>;

FamilyConfig resolve(const ModelConfig& config);

}  // namespace vitrail::models
