#include "datasets/augment/operation_level.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitrail::datasets {

namespace {

constexpr double kTranslateShare = 0.45;  // of the image's side

double either_sign(double value, Philox& stream) { return stream.uniform() > 0.5 ? -value : value; }

}  // namespace

double argument_of(LevelLaw law, double magnitude, int image_size, Philox& stream) {
  const double share = magnitude / kLevels;
  switch (law) {
    case LevelLaw::none:
      return 0.0;
    case LevelLaw::rotate:
      return either_sign(share * 30.0, stream);
    case LevelLaw::posterize:
      return static_cast<int>(share * 4);
    case LevelLaw::posterize_increasing:
      return 4 - static_cast<int>(share * 4);
    case LevelLaw::posterize_upper:
      return static_cast<int>(share * 4) + 4;
    case LevelLaw::solarize:
      return std::min(256, static_cast<int>(share * 256));
    case LevelLaw::solarize_increasing:
      return 256 - std::min(256, static_cast<int>(share * 256));
    case LevelLaw::solarize_add:
      return std::min(128, static_cast<int>(share * 110));
    case LevelLaw::enhance:
      return share * 1.8 + 0.1;
    case LevelLaw::enhance_increasing:
      return std::max(0.1, 1.0 + either_sign(share * 0.9, stream));
    case LevelLaw::shear:
      return either_sign(share * 0.3, stream);
    case LevelLaw::translate:
      return either_sign(share * kTranslateShare, stream) * image_size;
    case LevelLaw::desaturate:  // blends with grey by 1 - this
      return std::clamp(1.0 - std::clamp(0.5 + 0.5 * share, 0.5, 1.0), 0.0, 1.0);
    case LevelLaw::blur:
      return std::clamp(0.1 + 1.9 * share, 0.1, 2.0);
  }
  return 0.0;
}

double draw_magnitude(const Level& level, Philox& stream) {
  double magnitude = level.magnitude;
  if (std::isinf(level.deviation)) {
    magnitude = stream.uniform(0.0, magnitude);
  } else if (level.deviation > 0.0) {
    magnitude += level.deviation * stream.normal();
  }
  return std::clamp(magnitude, 0.0, level.upper_bound);
}

double deviation_of(double value) {
  constexpr double kUniformAbove = 100.0;
  return value > kUniformAbove ? std::numeric_limits<double>::infinity() : value;
}

}  // namespace vitrail::datasets
