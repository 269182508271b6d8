// TrivialAugment with its wide ranges (Mueller and Hutter, ICCV 2021) as torchvision 0.26 draws it: one of 14
// operations, at one of 31 strengths. Pixels from outside the image and between its own are what the other
// operations make of them: torchvision's with bicubic interpolation and ImageNet's mean colour.
#pragma once

#include <optional>

#include "datasets/pixels/image_operations.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

std::optional<Operation> draw_trivial_augment(Philox& stream);  // none: the image stays

}  // namespace vitrail::datasets
