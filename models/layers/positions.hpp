// Positions for a grid of patches other than the network's, inside the graph, as DINO looks at small crops:
// bicubic without aligned corners, by the scale (g + 0.1) / G, which is not the sizes' own. As two products
// with one matrix, so that gradients are the same on any device and any number of threads.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

// [1, leading + G*G, D] -> [1, leading + side*side, D], the leading positions as they are.
at::Tensor positions_on(const at::Tensor& position, std::int64_t leading, std::int64_t side);

}  // namespace vitrail::models
