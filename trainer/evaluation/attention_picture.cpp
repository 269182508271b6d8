#include "trainer/evaluation/attention_picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

constexpr int kGap = 4;  // pixels between pictures

double grey_of(const std::uint8_t* rgb) { return (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255; }

std::uint8_t byte_of(double value) {
  return static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
}

// Of numbers between 0 and 1: the map's, from its least to its largest.
std::vector<double> spread(const std::vector<float>& weights) {
  const auto [least, most] = std::ranges::minmax(weights);
  std::vector<double> values;
  for (const float weight : weights)
    values.push_back(
        most > least ? (static_cast<double>(weight) - least) / (static_cast<double>(most) - least) : 0);
  return values;
}

}  // namespace

// From the paper's plane of equal brightness: hue 1, gamma 1, and its default of -1.5 turns from blue-violet.
std::array<double, 3> colour_of(double value) {
  constexpr double kStart = 0.5, kTurns = -1.5;
  const double angle = 2 * std::numbers::pi * (kStart / 3 + 1 + kTurns * value);
  const double amplitude = value * (1 - value) / 2;
  const double c = amplitude * std::cos(angle), s = amplitude * std::sin(angle);
  return {std::clamp(value - 0.14861 * c + 1.78277 * s, 0.0, 1.0),
          std::clamp(value - 0.29227 * c - 0.90649 * s, 0.0, 1.0), std::clamp(value + 1.97294 * c, 0.0, 1.0)};
}

datasets::Image painted(const datasets::Image& image, const AttentionMap& map, double opacity) {
  const std::vector<double> values = spread(map.weights);
  const auto side = static_cast<int>(map.side), cell = static_cast<int>(map.cell);
  datasets::Image picture = image;
  for (int y = 0; y < std::min(image.height, side * cell); ++y) {
    std::uint8_t* pixel = picture.row(y);
    for (int x = 0; x < std::min(image.width, side * cell); ++x, pixel += 3) {
      const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(y / cell) * side + x / cell;
      const auto colour = colour_of(values[static_cast<std::size_t>(place)]);
      const double grey = grey_of(pixel);
      for (std::size_t c = 0; c < 3; ++c) pixel[c] = byte_of(opacity * colour[c] + (1 - opacity) * grey);
    }
  }
  return picture;
}

datasets::Image in_rows(const std::vector<std::vector<datasets::Image>>& rows) {
  constexpr double kMostPixels = 1 << 28;
  std::size_t columns = 0;
  for (const auto& row : rows) columns = std::max(columns, row.size());
  if (columns == 0) return {};
  const datasets::Image& first = rows.front().front();
  const double pixels = static_cast<double>(columns) * (first.width + kGap) *
                        static_cast<double>(rows.size()) * (first.height + kGap);
  if (pixels > kMostPixels) {
    throw Error(ExitCode::refused,
                fmt::format("{} images with up to {} pictures each make one of {:.0f} million pixels; {:.0f} "
                            "are the most",
                            rows.size(), columns, pixels / 1e6, kMostPixels / 1e6),
                "lower --samples or model.image_size");
  }
  datasets::Image sheet{static_cast<int>(columns) * (first.width + kGap) - kGap,
                        static_cast<int>(rows.size()) * (first.height + kGap) - kGap,
                        {}};
  sheet.rgb.resize(static_cast<std::size_t>(sheet.width) * static_cast<std::size_t>(sheet.height) * 3, 255);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const datasets::Image& picture = rows[r][c];
      for (int y = 0; y < picture.height; ++y) {
        std::uint8_t* const to = sheet.row(static_cast<int>(r) * (first.height + kGap) + y) +
                                 3 * static_cast<int>(c) * (first.width + kGap);
        std::memcpy(to, picture.row(y), static_cast<std::size_t>(picture.width) * 3);
      }
    }
  }
  return sheet;
}

}  // namespace vitrail::trainer
