// Operations on 8-bit RGB with the values of Pillow 12: ImageOps, ImageEnhance, ImageFilter.GaussianBlur and
// Image.transform with bicubic resampling, where what comes from outside the image is ImageNet's mean colour
// (124, 116, 104), as timm fills it.
#pragma once

#include <string_view>
#include <vector>

#include "datasets/pixels/image.hpp"

namespace vitrail::datasets {

enum class OperationKind {
  grey,          // luminance in all three channels
  invert,        // 255 - v
  solarize,      // invert values from the argument on
  solarize_add,  // add the argument (levels) to values below 128
  posterize,     // keep so many upper bits
  auto_contrast,
  equalize,
  brightness,  // blend with black, the mean luminance, luminance or a smoothed copy by a factor, 1: unchanged
  contrast,
  saturation,
  sharpness,
  blur,         // radius: standard deviation in pixels
  rotate,       // degrees, counter-clockwise
  shear_x,      // pixels per row
  shear_y,      // pixels per column
  translate_x,  // pixels to the left
  translate_y,  // pixels up
  hue,          // turns of the colour wheel, -0.5 .. 0.5, by Pillow's bytes of hue
};

std::string_view name_of(OperationKind kind);

struct Operation {
  OperationKind kind = OperationKind::grey;
  double argument = 0.0;

  bool operator==(const Operation&) const = default;
};

// `spare` is a buffer, kept from one image to the next.
void apply(const Operation& operation, Image& image, Image& spare);

}  // namespace vitrail::datasets
