// Rows of JPEG's components to rows of RGB, the bytes of libjpeg's "fancy" upsampling and its conversion:
// chroma halved in width (or width and height) is interpolated with weights 3/4 and 1/4 of its neighbours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vitrail::datasets {

class ChromaRow {
 public:
  // Samples [first, last) of a row of `count`, twice as wide. `near` and `far` (null: only the width is
  // halved) point to the first; their neighbours on both sides are there, but at the ends of the row, where
  // the outermost are repeated.
  void interpolate(const std::uint8_t* near, const std::uint8_t* far, int first, int last, int count);
  const std::uint8_t* at(int column) const { return out_.data() + (column - 2 * first_); }

 private:
  int first_ = 0;
  std::vector<std::uint16_t> sums_;
  std::vector<std::uint8_t> out_;
};

inline constexpr std::size_t kColourSpare = 48;  // bytes read and written beyond the last pixel, at most

// `cb` null: grey. By AVX2, as inverse_dct.hpp.
void to_rgb(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, int count,
            std::uint8_t* rgb);

}  // namespace vitrail::datasets
