// How hard an operation is applied, in timm's words: a magnitude on a scale of 10, and the law that makes an
// argument of it.
#pragma once

#include <cstdint>
#include <string_view>

#include "datasets/pixels/image_operations.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

inline constexpr double kLevels = 10.0;  // of the scale of magnitudes

enum class LevelLaw : std::uint8_t {
  none,
  rotate,
  posterize,
  posterize_increasing,
  posterize_upper,  // 4 to 8 bits, as AutoAugment's paper has it
  solarize,
  solarize_increasing,
  solarize_add,
  enhance,
  enhance_increasing,
  shear,
  translate,
  desaturate,
  blur,
};

struct Level {
  int magnitude = 10;
  double deviation = 0.0;  // of the magnitude; infinity: uniform
  double upper_bound = kLevels;
};

double draw_magnitude(const Level& level, Philox& stream);
double argument_of(LevelLaw law, double magnitude, int image_size, Philox& stream);

// The value of mstdX; infinity above 100, as timm has it.
double deviation_of(double value);

}  // namespace vitrail::datasets
