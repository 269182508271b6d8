// Encoded bytes <-> Image. JPEG by libjpeg-turbo (islow DCT, fancy upsampling: Pillow's pixels), PNG by
// libpng. Grey becomes three equal channels, CMYK and alpha are converted as Pillow's convert("RGB") does;
// EXIF is ignored. Throws: Error(bad_data) with the decoder's own words, for its warnings too (a truncated
// file is only a warning to libjpeg), except those that lose no pixel; images over 2^28 pixels are refused
// before decoding.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "datasets/image.hpp"

namespace vitrail::datasets {

Image decode_image(std::span<const std::byte> encoded);  // format found from the first bytes

// Lossless; grey where r = g = b everywhere. The same pixels give the same bytes.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace vitrail::datasets
