// The families of models, each once: a family is a config with names(), resolve(), parameters(), macs(),
// tokens() and activation_bytes(), and a make() for it. Throws: Error(usage) for an unknown name (nearest
// named), Error(refused) for numbers that make no network.
#pragma once

#include <variant>

#include "models/families/cait.hpp"
#include "models/families/regnet.hpp"
#include "models/families/vit.hpp"

namespace vitrail::models {

using FamilyConfig = std::variant<VitConfig, CaitConfig, RegNetConfig>;

FamilyConfig resolve(const ModelConfig& config);

}  // namespace vitrail::models
