// Antialiased bicubic resize of 8-bit RGB, pixel for pixel what Pillow gives for
// image.crop(source).resize((width, height), BICUBIC): a = -0.5, the kernel widened by the scale when
// shrinking, weights in 22-bit fixed point, rounded and clipped to 8 bits after the horizontal and after the
// vertical pass. Throws: Error(refused) for a box outside its image.
#pragma once

#include "datasets/image.hpp"

namespace vitrail::datasets {

struct Box {
  int x = 0, y = 0, width = 0, height = 0;

  bool operator==(const Box&) const = default;
};

Image resize(const Image& image, const Box& source, int width, int height);

// Only the part `window` of that result; pixels outside are never computed.
Image resize(const Image& image, const Box& source, int width, int height, const Box& window);

}  // namespace vitrail::datasets
