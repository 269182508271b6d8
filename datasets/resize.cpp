#include "datasets/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kChannels = 3;
constexpr int kPrecisionBits = 32 - 8 - 2;  // 8 bits of pixel, 2 of headroom for the kernel's overshoot
constexpr std::int32_t kHalf = 1 << (kPrecisionBits - 1);
constexpr double kSupport = 2.0;  // of the bicubic kernel, in input pixels at scale 1

double bicubic(double x) {
  constexpr double kA = -0.5;  // the slope at x = 1
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

int round_half_up(double x) { return static_cast<int>(std::floor(x + 0.5)); }

int to_fixed_point(double weight) {
  const double scaled = weight * (1 << kPrecisionBits);
  return scaled < 0 ? -round_half_up(-scaled) : round_half_up(scaled);
}

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// For each output pixel of one axis, which input pixels it reads and their fixed-point weights.
struct Taps {
  struct Range {
    int first, count;
  };
  std::vector<Range> ranges;
  std::vector<std::int32_t> weights;  // `stride` per output pixel
  std::size_t stride = 0;

  const std::int32_t* weights_of(std::size_t i) const { return weights.data() + i * stride; }
};

// Outputs [begin, begin + count) of an axis that maps `in` pixels to `out`.
Taps make_taps(int in, int out, int begin, int count) {
  const double scale = static_cast<double>(in) / out;
  const double widening = std::max(scale, 1.0);
  const double support = kSupport * widening;
  const double inverse = 1.0 / widening;
  Taps taps;
  taps.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  taps.ranges.reserve(static_cast<std::size_t>(count));
  taps.weights.resize(static_cast<std::size_t>(count) * taps.stride);
  std::vector<double> exact(taps.stride);
  for (int i = 0; i < count; ++i) {
    const double centre = (begin + i + 0.5) * scale;
    const int first = std::max(round_half_up(centre - support), 0);
    const int last = std::min(round_half_up(centre + support), in);
    double sum = 0.0;
    for (int k = 0; k < last - first; ++k) {
      exact[static_cast<std::size_t>(k)] = bicubic((k + first - centre + 0.5) * inverse);
      sum += exact[static_cast<std::size_t>(k)];
    }
    std::int32_t* weights = taps.weights.data() + static_cast<std::size_t>(i) * taps.stride;
    for (int k = 0; k < last - first; ++k) {
      weights[k] = to_fixed_point(exact[static_cast<std::size_t>(k)] / sum);
    }
    taps.ranges.push_back({first, last - first});
  }
  return taps;
}

void resize_row(const std::uint8_t* in, const Taps& taps, std::uint8_t* out) {
  for (std::size_t i = 0; i < taps.ranges.size(); ++i) {
    const std::int32_t* weights = taps.weights_of(i);
    const std::uint8_t* pixel = in + taps.ranges[i].first * kChannels;
    std::int32_t red = kHalf, green = kHalf, blue = kHalf;
    for (int k = 0; k < taps.ranges[i].count; ++k, pixel += kChannels) {
      red += pixel[0] * weights[k];
      green += pixel[1] * weights[k];
      blue += pixel[2] * weights[k];
    }
    *out++ = to_byte(red);
    *out++ = to_byte(green);
    *out++ = to_byte(blue);
  }
}

// `rows` holds source rows from `first_row` on.
Image resize_columns(const Image& rows, int first_row, const Taps& taps) {
  const auto row_bytes = static_cast<std::size_t>(rows.width) * kChannels;
  Image out{rows.width, static_cast<int>(taps.ranges.size()), {}};
  out.rgb.resize(row_bytes * taps.ranges.size());
  std::vector<std::int32_t> sums(row_bytes);
  for (int y = 0; y < out.height; ++y) {
    const auto [first, count] = taps.ranges[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int k = 0; k < count; ++k) {
      const std::int32_t weight = taps.weights_of(static_cast<std::size_t>(y))[k];
      const std::uint8_t* in = rows.row(first + k - first_row);
      for (std::size_t x = 0; x < row_bytes; ++x) sums[x] += in[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), out.row(y), to_byte);
  }
  return out;
}

void check_inside(const Box& box, int width, int height) {
  const bool inside = box.x >= 0 && box.y >= 0 && box.width >= 1 && box.height >= 1 &&
                      box.x <= width - box.width && box.y <= height - box.height;
  if (inside) return;
  throw Error(ExitCode::refused, fmt::format("box {}x{} at ({}, {}) does not lie in an image of {}x{}",
                                             box.width, box.height, box.x, box.y, width, height));
}

}  // namespace

Image resize(const Image& image, const Box& source, int width, int height, const Box& window) {
  check_inside(source, image.width, image.height);
  check_inside(window, width, height);
  const Taps across = make_taps(source.width, width, window.x, window.width);
  const Taps down = make_taps(source.height, height, window.y, window.height);
  const int first_row = down.ranges.front().first;
  const int last_row = down.ranges.back().first + down.ranges.back().count;

  Image rows{window.width, last_row - first_row, {}};
  rows.rgb.resize(static_cast<std::size_t>(rows.width) * static_cast<std::size_t>(rows.height) * kChannels);
  for (int y = first_row; y < last_row; ++y) {
    resize_row(image.row(source.y + y) + source.x * kChannels, across, rows.row(y - first_row));
  }
  return resize_columns(rows, first_row, down);
}

Image resize(const Image& image, const Box& source, int width, int height) {
  return resize(image, source, width, height, {0, 0, width, height});
}

}  // namespace vitrail::datasets
