// Pictures of attention maps: a map's weights as colours over the image that they were computed from, and
// many such pictures in rows. The colours are Green's cubehelix (D. A. Green 2011, "A colour scheme for the
// display of astronomical intensity images"): they grow brighter evenly, so that they print in grey as well.
// Throws: Error(refused) for a picture that would be too large.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/pixels/image.hpp"

namespace vitrail::trainer {

struct AttentionMap {
  std::string name;                        // what it is of: "head 1", "mean", a class
  std::int64_t side = 0;                   // G
  std::int64_t cell = 0;                   // pixels a side of the image that a weight stands for
  std::vector<float> weights;              // [G,G]
  std::optional<std::int64_t> label = {};  // of a class: its number
};

std::array<double, 3> colour_of(double value);  // 0 (black) .. 1 (white) -> red, green, blue in [0,1]

// The map, from its least to its largest weight, `opacity` of it over the image in grey; each weight is a
// square of pixels. What the network did not look at stays as it is. A map of equal weights is black.
datasets::Image painted(const datasets::Image& image, const AttentionMap& map, double opacity);

// A row for each list, on white; all pictures are of one size.
datasets::Image in_rows(const std::vector<std::vector<datasets::Image>>& rows);

}  // namespace vitrail::trainer
