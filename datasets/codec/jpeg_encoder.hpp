// RGB pixels -> JPEG (baseline, 4:2:0, islow DCT, libjpeg's tables for a quality). The same pixels and
// libjpeg-turbo give the same bytes. Throws: Error(bad_data) with libjpeg's words, for sides over 65,500.
#pragma once

#include <cstddef>
#include <vector>

#include "datasets/pixels/image.hpp"

namespace vitrail::datasets {

std::vector<std::byte> encode_jpeg(const Image& image, int quality);  // 1 to 100

}  // namespace vitrail::datasets
