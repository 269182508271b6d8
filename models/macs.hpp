// What a forward pass costs, as pure arithmetic. Multiply-accumulates of convolutions, linear layers and
// matrix products, plus 5 per LayerNorm element: fvcore's rule, which the papers' tables follow.
#pragma once

#include <cstdint>

#include "models/vit_config.hpp"

namespace vitrail::models {

std::int64_t vit_macs(const VitConfig& vit);  // one image, every block computed

// Bytes of one image that the forward pass keeps for the backward pass: fp32, attention without stored
// probabilities, and of each branch the share 1 - drop_path that is computed.
std::int64_t vit_activation_bytes(const VitConfig& vit);

}  // namespace vitrail::models
