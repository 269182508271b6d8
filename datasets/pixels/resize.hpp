// Antialiased bicubic resize of 8-bit RGB, pixel for pixel what Pillow gives for
// image.crop(source).resize((width, height), BICUBIC): a = -0.5, the kernel widened by the scale when
// shrinking, weights in 22-bit fixed point, rounded and clipped to 8 bits after the horizontal and after the
// vertical pass. Throws: Error(refused) for a box outside its image.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/pixels/image.hpp"
#include "datasets/pixels/resize_kernels.hpp"

namespace vitrail::datasets {

// What of an image becomes a picture: `source` scaled to width x height, and of that the part `window`, which
// may reach past the edges (the picture goes on there as its reflection, or is black); mirrored left to right
// if so.
struct View {
  Box source;
  int width = 0, height = 0;
  Box window;
  bool mirrored = false;
  bool black_outside = false;

  bool operator==(const View&) const = default;
};

// Buffers of a resize, kept from one image to the next.
struct ResizeScratch {
  std::vector<std::uint8_t> rows;
  std::vector<std::int16_t> weights;
};

// All that a view asks for, worked out: which pixels are needed, and with what weights.
class Resize {
 public:
  explicit Resize(const View& view);

  const Box& needed() const { return needed_; }  // of the image

  // `pixels` holds at least needed(). The result is window.width x window.height.
  void apply(const PixelView& pixels, ResizeScratch& scratch, Image& out,
             const ResizeKernels& kernels = best_resize_kernels()) const;

 private:
  Taps across_, down_;
  Box needed_;
};

Image resize(const Image& image, const View& view);
Image resize(const Image& image, const Box& source, int width, int height);

void check_inside(const Box& box, int width, int height);

}  // namespace vitrail::datasets
