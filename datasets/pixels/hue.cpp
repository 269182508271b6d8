#include <algorithm>
#include <array>
#include <cmath>

#include "datasets/pixels/image_filters.hpp"

namespace vitrail::datasets {
namespace {

std::uint8_t cut(double value) {
  return static_cast<std::uint8_t>(std::clamp(static_cast<int>(value), 0, 255));
}

// Pillow computes hue and saturation of a byte image in floats, hue's sixths in doubles, and cuts them off.
std::uint8_t hue_of(int r, int g, int b, int most, int least) {
  const auto range = static_cast<float>(most - least);
  const float red = static_cast<float>(most - r) / range, green = static_cast<float>(most - g) / range,
              blue = static_cast<float>(most - b) / range;
  const float sixths = r == most   ? blue - green
                       : g == most ? static_cast<float>(2.0 + red - blue)
                                   : static_cast<float>(4.0 + green - red);
  const auto hue = static_cast<float>(std::fmod(sixths / 6.0 + 1.0, 1.0));
  return cut(hue * 255.0);
}

void set_hue(std::uint8_t hue, int saturation, int value, std::uint8_t* rgb) {
  const double sixths = static_cast<float>(hue) * 6.0 / 255.0;
  const int side = static_cast<int>(std::floor(sixths));
  const auto part = static_cast<float>(sixths - static_cast<float>(side));
  const auto pure = static_cast<float>(saturation / 255.0);
  const auto v = static_cast<std::uint8_t>(value);
  const std::uint8_t least = cut(std::round(value * (1.0 - pure)));
  const std::uint8_t falling = cut(std::round(value * (1.0 - pure * part)));
  const std::uint8_t rising = cut(std::round(value * (1.0 - pure * (1.0 - part))));
  const std::array<std::array<std::uint8_t, 3>, 6> sides = {{{v, rising, least},
                                                             {falling, v, least},
                                                             {least, v, rising},
                                                             {least, falling, v},
                                                             {rising, least, v},
                                                             {v, least, falling}}};
  std::ranges::copy(sides.at(static_cast<std::size_t>(side % 6)), rgb);
}

}  // namespace

void turn_hue(int steps, Image& image) {
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    std::uint8_t* const rgb = &image.rgb[i];
    const int most = std::max({rgb[0], rgb[1], rgb[2]}), least = std::min({rgb[0], rgb[1], rgb[2]});
    if (most == least) continue;  // grey has no hue
    const std::uint8_t hue = hue_of(rgb[0], rgb[1], rgb[2], most, least);
    const std::uint8_t saturation = cut(static_cast<float>(most - least) / static_cast<float>(most) * 255.0);
    if (saturation == 0) {
      rgb[0] = rgb[1] = rgb[2] = static_cast<std::uint8_t>(most);
      continue;
    }
    set_hue(static_cast<std::uint8_t>(hue + steps), saturation, most, rgb);
  }
}

}  // namespace vitrail::datasets
