// Operations that look at neighbours, as Pillow 12 computes them, from one image into another of its size.
#pragma once

#include <array>
#include <cstdint>

#include "datasets/pixels/image.hpp"

namespace vitrail::datasets {

// ImageFilter.GaussianBlur(radius), radius >= 0: three passes of an extended box along each axis.
void gaussian_blur(Image& image, double radius, Image& spare);

// ImageFilter.SMOOTH: 3x3 weights 1 and 5 in the middle, over 13; the border stays.
void smooth(const Image& image, Image& out);

// Image.transform(AFFINE, BICUBIC): the pixel with centre (x, y) comes from (a x + b y + c, d x + e y + f).
using AffineMatrix = std::array<double, 6>;
void transform_affine(const Image& image, const AffineMatrix& matrix, const std::array<std::uint8_t, 3>& fill,
                      Image& out);

// Image.rotate(degrees, BICUBIC).
void rotate(const Image& image, double degrees, const std::array<std::uint8_t, 3>& fill, Image& out);

// By so many 256ths of the colour wheel, through Pillow's HSV of bytes, in place.
void turn_hue(int steps, Image& image);

}  // namespace vitrail::datasets
