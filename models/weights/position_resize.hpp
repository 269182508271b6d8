// Position embeddings for another grid of patches: bicubic interpolation without aligned corners, the leading
// tokens' own positions untouched. Source: DeiT's fine-tuning (no antialiasing), timm (antialiasing, which
// differs where the grid shrinks).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/model_config.hpp"

namespace vitrail::models {

// `stored` [1, tokens, width], row by row -> [1, wanted_tokens, width].
std::vector<double> resize_positions(std::span<const double> stored, std::int64_t tokens,
                                     std::int64_t wanted_tokens, std::int64_t width, PositionResize how);

}  // namespace vitrail::models
