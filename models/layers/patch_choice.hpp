// Some patches of each image. B images of N patches, of which V are chosen by their indices, image after
// image: `chosen` has B*V numbers in [0, N), no two alike within an image.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

// [B,N,D] -> [B,V,D]
at::Tensor chosen_patches(const at::Tensor& patches, const std::vector<std::int64_t>& chosen);

// Those that are not: image after image, ascending.
std::vector<std::int64_t> other_patches(const std::vector<std::int64_t>& chosen, std::int64_t images,
                                        std::int64_t patches);

// [B,V,D] -> [B,N,D] of the filler's type, `filler` [1,1,D] in the place of the others.
at::Tensor filled_up(const at::Tensor& chosen_ones, const std::vector<std::int64_t>& chosen,
                     std::int64_t patches, const at::Tensor& filler);

}  // namespace vitrail::models
