#include "datasets/augment.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kTries = 10;
constexpr double kMinRatio = 3.0 / 4.0;
constexpr double kMaxRatio = 4.0 / 3.0;

constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kDeviation = {0.229F, 0.224F, 0.225F};

// A byte has 256 values, so normalisation is a table: the divisions are done once, by the compiler.
using Table = std::array<std::array<float, 256>, 3>;
constexpr Table make_table() {
  Table table{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      table[c][v] = (static_cast<float>(v) / 255.0F - kMean[c]) / kDeviation[c];
    }
  }
  return table;
}
constexpr Table kNormalised = make_table();

// To the nearest integer, halves to the even one: Python's round().
int round_half_even(double x) { return static_cast<int>(std::nearbyint(x)); }

Box whole(const Image& image) { return {0, 0, image.width, image.height}; }

Box central_box(int width, int height) {
  const double ratio = static_cast<double>(width) / height;
  int w = width, h = height;
  if (ratio < kMinRatio) h = round_half_even(w / kMinRatio);
  if (ratio > kMaxRatio) w = round_half_even(h * kMaxRatio);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

Box draw_box(double min_area, int width, int height, Philox& stream) {
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = stream.uniform(min_area, 1.0) * area;
    const double ratio = std::exp(stream.uniform(std::log(kMinRatio), std::log(kMaxRatio)));
    const int w = round_half_even(std::sqrt(target * ratio));
    const int h = round_half_even(std::sqrt(target / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const auto y = static_cast<int>(stream.below(static_cast<std::uint64_t>(height - h) + 1));
    const auto x = static_cast<int>(stream.below(static_cast<std::uint64_t>(width - w) + 1));
    return {x, y, w, h};
  }
  return central_box(width, height);
}

Image evaluation_view(const Image& image, const EvaluationTransform& transform) {
  const EvaluationGeometry g = evaluation_geometry(image.width, image.height, transform);
  return resize(image, whole(image), g.width, g.height, g.window);
}

}  // namespace

CropFlip draw_crop_flip(const AugmentConfig& config, int width, int height, Philox& stream) {
  CropFlip drawn;
  if (config.crop == Crop::rrc) drawn.box = draw_box(config.crop_min_area, width, height, stream);
  if (config.flip) drawn.flip = stream.uniform() < 0.5;
  return drawn;
}

void apply_crop_flip(const Image& image, const CropFlip& parameters, int image_size, std::span<float> out) {
  if (parameters.box) {
    normalise(resize(image, *parameters.box, image_size, image_size), parameters.flip, out);
  } else {
    normalise(evaluation_view(image, {.image_size = image_size, .crop_ratio = 1.0}), parameters.flip, out);
  }
}

EvaluationGeometry evaluation_geometry(int width, int height, const EvaluationTransform& transform) {
  const auto size = static_cast<int>(transform.image_size);
  const double shorter = std::floor(size / transform.crop_ratio);
  if (!(shorter >= size && shorter <= 1 << 20)) {
    throw Error(ExitCode::refused,
                fmt::format("evaluate.crop_ratio = {}: an image scaled to {} has no centre of {}",
                            transform.crop_ratio, shorter, size),
                "choose a value in (0, 1]");
  }
  const auto scaled = static_cast<std::int64_t>(shorter);
  const std::int64_t longer = scaled * std::max(width, height) / std::min(width, height);
  if (longer > std::numeric_limits<int>::max()) {
    throw Error(ExitCode::bad_data, fmt::format("an image of {}x{} is too narrow to scale", width, height));
  }
  EvaluationGeometry g;
  g.width = static_cast<int>(width <= height ? scaled : longer);
  g.height = static_cast<int>(width <= height ? longer : scaled);
  g.window = {round_half_even((g.width - size) / 2.0), round_half_even((g.height - size) / 2.0), size, size};
  return g;
}

void apply_evaluation(const Image& image, const EvaluationTransform& transform, std::span<float> out) {
  normalise(evaluation_view(image, transform), false, out);
}

void normalise(const Image& image, bool flip, std::span<float> out) {
  const auto width = static_cast<std::size_t>(image.width);
  const std::size_t plane = width * static_cast<std::size_t>(image.height);
  if (out.size() != 3 * plane) {
    throw Error(ExitCode::crash, fmt::format("normalise: {} floats for an image of {}x{}", out.size(),
                                             image.width, image.height));
  }
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* in = image.row(y);
    float* row = out.data() + static_cast<std::size_t>(y) * width;
    for (std::size_t x = 0; x < width; ++x, in += 3) {
      const std::size_t column = flip ? width - 1 - x : x;
      for (std::size_t c = 0; c < 3; ++c) row[c * plane + column] = kNormalised[c][in[c]];
    }
  }
}

}  // namespace vitrail::datasets
