#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "datasets/pixels/image_filters.hpp"

namespace vitrail::datasets {
namespace {

// Through b at 0 and c at 1, with slopes that a and d give.
double cubic(double a, double b, double c, double d, double t) {
  const double p1 = b;
  const double p2 = -a + c;
  const double p3 = 2 * (a - b) + c - d;
  const double p4 = -a + b - c + d;
  return p1 + t * (p2 + t * (p3 + t * p4));
}

// The pixel at (x, y) of an image whose pixel centres are at 0.5, 1.5, ...: edge pixels go on outside.
void sample_bicubic(const Image& image, double x, double y, std::uint8_t* out) {
  x -= 0.5;
  y -= 0.5;
  const int left = static_cast<int>(std::floor(x)), top = static_cast<int>(std::floor(y));
  const double dx = x - left, dy = y - top;
  std::array<std::size_t, 4> columns{};
  std::array<const std::uint8_t*, 4> rows{};
  for (int k = 0; k < 4; ++k) {
    const auto i = static_cast<std::size_t>(k);
    columns[i] = static_cast<std::size_t>(std::clamp(left - 1 + k, 0, image.width - 1)) * 3;
    rows[i] = image.row(std::clamp(top - 1 + k, 0, image.height - 1));
  }
  for (std::size_t c = 0; c < 3; ++c) {
    std::array<double, 4> across{};
    for (std::size_t k = 0; k < 4; ++k) {
      const std::uint8_t* row = rows[k] + c;
      across[k] = cubic(row[columns[0]], row[columns[1]], row[columns[2]], row[columns[3]], dx);
    }
    const double value = cubic(across[0], across[1], across[2], across[3], dy);
    out[c] = value <= 0.0     ? 0
             : value >= 255.0 ? 255
                              : static_cast<std::uint8_t>(value);  // cut off, not rounded
  }
}

// Python's round(value, 15).
double round_15(double value) { return std::strtod(fmt::format("{:.15f}", value).c_str(), nullptr); }

// A turn by a quarter, two or three quarters moves pixels and changes none.
void turn(const Image& image, int quarters, Image& out) {
  const int last_x = image.width - 1, last_y = image.height - 1;
  for (int y = 0; y <= last_y; ++y) {
    for (int x = 0; x <= last_x; ++x) {
      const int from_x = quarters == 1 ? last_x - y : quarters == 2 ? last_x - x : y;
      const int from_y = quarters == 1 ? x : quarters == 2 ? last_y - y : last_y - x;
      std::copy_n(image.row(from_y) + from_x * 3, 3, out.row(y) + x * 3);
    }
  }
}

}  // namespace

void transform_affine(const Image& image, const AffineMatrix& matrix, const std::array<std::uint8_t, 3>& fill,
                      Image& out) {
  out.width = image.width;
  out.height = image.height;
  out.rgb.resize(image.rgb.size());
  const auto& [a, b, c, d, e, f] = matrix;
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* target = out.row(y);
    for (int x = 0; x < image.width; ++x, target += 3) {
      const double from_x = a * (x + 0.5) + b * (y + 0.5) + c;
      const double from_y = d * (x + 0.5) + e * (y + 0.5) + f;
      if (from_x < 0.0 || from_x >= image.width || from_y < 0.0 || from_y >= image.height) {
        std::copy(fill.begin(), fill.end(), target);
      } else {
        sample_bicubic(image, from_x, from_y, target);
      }
    }
  }
}

void rotate(const Image& image, double degrees, const std::array<std::uint8_t, 3>& fill, Image& out) {
  double turned = std::fmod(degrees, 360.0);
  if (turned < 0.0) turned += 360.0;
  const bool square = image.width == image.height;
  if (turned == 0.0 || turned == 180.0 || (square && (turned == 90.0 || turned == 270.0))) {
    out = image;
    if (turned != 0.0) turn(image, static_cast<int>(turned) / 90, out);
    return;
  }
  const double angle = -(turned * (M_PI / 180.0));
  const double cosine = round_15(std::cos(angle)), sine = round_15(std::sin(angle));
  const double minus_sine = round_15(-std::sin(angle));
  const double x = image.width / 2.0, y = image.height / 2.0;
  transform_affine(image,
                   {cosine, sine, cosine * -x + sine * -y + 0.0 + x,  //
                    minus_sine, cosine, minus_sine * -x + cosine * -y + 0.0 + y},
                   fill, out);
}

}  // namespace vitrail::datasets
