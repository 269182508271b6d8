// What timm's name of pretrained weights tells of the images that they were trained on.
// Source: default_cfgs of timm 1.0.31, compared with in tests/fixtures/models/pretrained.json.
#pragma once

#include <optional>
#include <string_view>

#include "trainer/base/normalisation.hpp"

namespace vitrail::models {

// Of timm's name of one of our models, "vit_base_patch16_224.dino" or without a tag, which means timm's
// default weights of that name. Nothing for other names and unknown tags.
std::optional<Normalisation> pretrained_normalisation(std::string_view name);

}  // namespace vitrail::models
