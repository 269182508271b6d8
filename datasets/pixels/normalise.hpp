// 8-bit RGB to what a model takes: x / 255, minus ImageNet's mean, over its standard deviation, each rounded
// to float as torchvision's ToTensor and Normalize do.
#pragma once

#include <cstdint>
#include <span>

#include "datasets/pixels/image.hpp"

namespace vitrail::datasets {

void normalise(const Image& image, std::span<float> out);  // [h, w, 3] bytes -> [3, h, w]

// The byte that became `value` in plane `channel`, where nothing was mixed or erased; the nearest otherwise.
std::uint8_t denormalise(float value, int channel);

}  // namespace vitrail::datasets
