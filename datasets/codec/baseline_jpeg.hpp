// A part of a JPEG as nearly all photographs are (8 bits, Huffman codes, one sequential scan, grey or YCbCr
// with chroma of full size, half the width, or half of both), faster than libjpeg and with its pixels: blocks
// outside of the part are passed over after their codes, the others are transformed, interpolated and
// converted while they are in the caches. Nothing is decided here about files that are odd or damaged: they
// are left to libjpeg.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "datasets/pixels/image.hpp"

namespace vitrail::datasets {

// What the headers say. Spans belong to who read them.
struct BaselineScan {
  struct Component {
    std::span<const std::uint16_t, 64> quantisation;                             // row by row
    std::span<const std::uint8_t> dc_counts, dc_symbols, ac_counts, ac_symbols;  // huffman_blocks.hpp
  };
  int width = 0, height = 0;
  int luma_columns = 1, luma_rows = 1;  // blocks of luma for each of chroma: 1 x 1, 2 x 1 or 2 x 2
  std::vector<Component> components;    // 1 or 3
  int restart_interval = 0;             // in units of such blocks; 0: none
  std::span<const std::byte> encoded;   // from behind the scan's header on
};

bool has_baseline_decoder();  // this processor

// The pixels of `box` into the beginning of `buffer`, which grows if it must. False where libjpeg has to
// look; then what is in the buffer is nothing.
bool decode_baseline(const BaselineScan& scan, const Box& box, std::vector<std::uint8_t>& buffer);

}  // namespace vitrail::datasets
