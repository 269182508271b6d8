// Pixels: interleaved 8-bit RGB, rows top to bottom. An Image owns them without padding between rows; a
// PixelView shows pixels that lie elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vitrail::datasets {

struct Box {
  int x = 0, y = 0, width = 0, height = 0;

  bool operator==(const Box&) const = default;
};

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height * width * 3

  const std::uint8_t* row(int y) const { return rgb.data() + static_cast<std::size_t>(y) * width * 3; }
  std::uint8_t* row(int y) { return rgb.data() + static_cast<std::size_t>(y) * width * 3; }
};

// The part of an image from (x, y) on; coordinates are those of the whole image.
struct PixelView {
  const std::uint8_t* rgb = nullptr;
  int x = 0, y = 0, width = 0, height = 0;

  PixelView() = default;
  PixelView(const std::uint8_t* pixels, const Box& part)
      : rgb(pixels), x(part.x), y(part.y), width(part.width), height(part.height) {}
  explicit PixelView(const Image& image) : rgb(image.rgb.data()), width(image.width), height(image.height) {}

  const std::uint8_t* at(int column, int line) const {
    return rgb + (static_cast<std::size_t>(line - y) * width + static_cast<std::size_t>(column - x)) * 3;
  }
};

}  // namespace vitrail::datasets
