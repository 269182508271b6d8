#include "datasets/pixels/resize.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kColumnsAtOnce = 4, kRowsAtOnce = 2;  // what the fast kernels take
constexpr double kSupport = 2.0;                    // of the bicubic kernel, in input pixels at scale 1

double bicubic(double x) {
  constexpr double kA = -0.5;  // the slope at x = 1
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

// Of what is not negative; anything less than -1/2 stays negative or 0.
int round_half_up(double x) { return static_cast<int>(std::trunc(x + 0.5)); }

std::int32_t to_fixed_point(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return scaled < 0 ? -round_half_up(-scaled) : round_half_up(scaled);
}

// Position `i` of an axis of `size` pixels that is mirrored at its first and last.
int reflect(int i, int size) {
  if (i < 0) return -i;
  return i < size ? i : 2 * (size - 1) - i;
}

struct Range {
  int first, last;
};

// Outputs [begin, begin + count) of an axis that maps `in` pixels to `out`; their number of taps is a
// multiple of `at_once` unless `in` is smaller. Outputs outside of the axis are reflections, or all their
// weights are 0.
Taps make_taps(int in, int out, int begin, int count, int at_once, bool black_outside) {
  const double scale = static_cast<double>(in) / out;
  const double support = kSupport * std::max(scale, 1.0);
  const double inverse = 1.0 / std::max(scale, 1.0);
  const auto centre_of = [&](int i) { return (reflect(begin + i, out) + 0.5) * scale; };
  std::vector<Range> ranges;
  int most = 0;
  for (int i = 0; i < count; ++i) {
    const double centre = centre_of(i);
    ranges.push_back(
        {std::max(round_half_up(centre - support), 0), std::min(round_half_up(centre + support), in)});
    most = std::max(most, ranges.back().last - ranges.back().first);
  }
  Taps taps;
  taps.taps = std::min((most + at_once - 1) / at_once * at_once, in);
  taps.weights.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(taps.taps));
  std::vector<double> exact(static_cast<std::size_t>(most));
  for (int i = 0; i < count; ++i) {
    const auto [first, last] = ranges[static_cast<std::size_t>(i)];
    const bool is_black = black_outside && (begin + i < 0 || begin + i >= out);
    double sum = 0.0;
    for (int k = first; k < last; ++k) {
      const double weight = bicubic((k - centre_of(i) + 0.5) * inverse);
      exact[static_cast<std::size_t>(k - first)] = weight;
      sum += weight;
    }
    // Taps that only fill up the number have weight 0, and must exist: near the end they come first.
    taps.first.push_back(std::min(first, in - taps.taps));
    std::int32_t* weights = taps.weights.data() +
                            static_cast<std::size_t>(i) * static_cast<std::size_t>(taps.taps) +
                            (first - taps.first.back());
    for (int k = 0; k < last - first && !is_black; ++k)
      weights[k] = to_fixed_point(exact[static_cast<std::size_t>(k)] / sum);
  }
  return taps;
}

void mirror(Taps& taps) {
  Taps mirrored{taps.taps, {taps.first.rbegin(), taps.first.rend()}, {}};
  mirrored.weights.reserve(taps.weights.size());
  for (int i = taps.outputs() - 1; i >= 0; --i) {
    mirrored.weights.insert(mirrored.weights.end(), taps.weights_of(i), taps.weights_of(i) + taps.taps);
  }
  taps = std::move(mirrored);
}

// Makes taps.first count from the first input that any output needs; returns that and how many there are.
std::pair<int, int> count_from_first(Taps& taps) {
  const auto [least, most] = std::minmax_element(taps.first.begin(), taps.first.end());
  const int first = *least, count = *most + taps.taps - first;
  for (std::int32_t& value : taps.first) value -= first;
  return {first, count};
}

// A window may reach past what it is cut from, by less than that.
void check_reflected(const View& view) {
  const auto fits = [](int begin, int count, int size) {
    return count >= 1 && size >= 1 && begin > -size && begin + count < 2 * size;
  };
  if (fits(view.window.x, view.window.width, view.width) &&
      fits(view.window.y, view.window.height, view.height))
    return;
  throw Error(ExitCode::refused,
              fmt::format("a window of {}x{} at ({}, {}) of an image of {}x{}", view.window.width,
                          view.window.height, view.window.x, view.window.y, view.width, view.height));
}

}  // namespace

void check_inside(const Box& box, int width, int height) {
  const bool inside = box.x >= 0 && box.y >= 0 && box.width >= 1 && box.height >= 1 &&
                      box.x <= width - box.width && box.y <= height - box.height;
  if (inside) return;
  throw Error(ExitCode::refused, fmt::format("box {}x{} at ({}, {}) does not lie in an image of {}x{}",
                                             box.width, box.height, box.x, box.y, width, height));
}

Resize::Resize(const View& view) {
  check_reflected(view);
  across_ = make_taps(view.source.width, view.width, view.window.x, view.window.width, kColumnsAtOnce,
                      view.black_outside);
  down_ = make_taps(view.source.height, view.height, view.window.y, view.window.height, kRowsAtOnce,
                    view.black_outside);
  if (view.mirrored) mirror(across_);
  const auto [left, columns] = count_from_first(across_);
  const auto [top, rows] = count_from_first(down_);
  needed_ = {view.source.x + left, view.source.y + top, columns, rows};
}

void Resize::apply(const PixelView& pixels, ResizeScratch& scratch, Image& out,
                   const ResizeKernels& kernels) const {
  const std::size_t in_stride = static_cast<std::size_t>(pixels.width) * 3;
  const std::size_t row_bytes = static_cast<std::size_t>(across_.outputs()) * 3;
  const std::size_t stride = row_bytes + kSpareBytes;
  const std::size_t bytes = stride * static_cast<std::size_t>(needed_.height);
  if (scratch.rows.size() < bytes) scratch.rows.resize(bytes);

  // The fast kernels read past the end of a row: not where memory may end there.
  const std::uint8_t* const end = pixels.rgb + in_stride * static_cast<std::size_t>(pixels.height);
  int fast = needed_.height;
  while (fast > 0 && end - pixels.at(needed_.x + needed_.width, needed_.y + fast - 1) <
                         static_cast<std::ptrdiff_t>(kSpareBytes)) {
    --fast;
  }
  const auto pass_across = [&](const ResizeKernels& with, int from, int to) {
    with.across({pixels.at(needed_.x, needed_.y + from), in_stride, to - from}, across_, scratch.weights,
                {scratch.rows.data() + static_cast<std::size_t>(from) * stride, stride});
  };
  pass_across(kernels, 0, fast);
  pass_across(plain_resize_kernels(), fast, needed_.height);

  out.width = across_.outputs();
  out.height = down_.outputs();
  out.rgb.resize(row_bytes * static_cast<std::size_t>(out.height));
  kernels.down({scratch.rows.data(), stride, needed_.height}, down_, row_bytes, {out.rgb.data(), row_bytes});
}

Image resize(const Image& image, const View& view) {
  check_inside(view.source, image.width, image.height);
  ResizeScratch scratch;
  Image out;
  Resize(view).apply(PixelView(image), scratch, out);
  return out;
}

Image resize(const Image& image, const Box& source, int width, int height) {
  return resize(image, {source, width, height, {0, 0, width, height}, false});
}

}  // namespace vitrail::datasets
