// Encoded bytes <-> Image. JPEG by libjpeg-turbo, PNG by libpng, WebP by libwebp: the pixels of Pillow's
// convert("RGB"), also for grey, CMYK and alpha; EXIF is ignored, of an animation the first frame is taken.
// Throws: Error(bad_data) with the decoder's words, for its warnings too (a truncated JPEG is only a warning)
// but those that lose no pixel; images over 2^28 pixels are refused before decoding. EncodedImage::decode
// reads no further than it must: damage behind that is not noticed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "datasets/pixels/image.hpp"

namespace vitrail::datasets {

class ImageReader;

// An image of which only the header has been read.
class EncodedImage {
 public:
  explicit EncodedImage(std::span<const std::byte> encoded);  // which must stay; format from its first bytes
  ~EncodedImage();

  int width() const;
  int height() const;
  bool is_scalable() const;  // in eighths, while decoding: a JPEG

  // Pixels of at least `box`, equal to those of the whole image, in `buffer`. Of a JPEG in one sequential
  // scan only rows down to the end of the box and columns around it are decoded, of most without libjpeg.
  // Scaled to `eighths` / 8 (8, 4, 2 or 1) sizes are rounded up and box and result count in scaled pixels.
  // Once for each object.
  PixelView decode(const Box& box, std::vector<std::uint8_t>& buffer, int eighths = 8);

 private:
  std::unique_ptr<ImageReader> reader_;
};

Image decode_image(std::span<const std::byte> encoded);  // all of it, to the end of the file

// Lossless; grey where r = g = b everywhere. The same pixels give the same bytes.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace vitrail::datasets
