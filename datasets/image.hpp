// A decoded image: interleaved 8-bit RGB, rows top to bottom without padding.
#pragma once

#include <cstdint>
#include <vector>

namespace vitrail::datasets {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height * width * 3

  const std::uint8_t* row(int y) const { return rgb.data() + static_cast<std::size_t>(y) * width * 3; }
  std::uint8_t* row(int y) { return rgb.data() + static_cast<std::size_t>(y) * width * 3; }
};

}  // namespace vitrail::datasets
