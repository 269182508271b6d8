#include "datasets/pixels/image_operations.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "datasets/pixels/byte_table.hpp"
#include "datasets/pixels/image_filters.hpp"
#include "datasets/pixels/simd_clones.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::array<std::uint8_t, 3> kFill = {124, 116, 104};  // 255 * ImageNet's mean, rounded

std::uint8_t clip(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

template <class Function>
ByteTable table_of(const Function& value_of) {
  ByteTable table{};
  for (int v = 0; v < 256; ++v) table[static_cast<std::size_t>(v)] = clip(value_of(v));
  return table;
}

void look_up_channels(const std::array<ByteTable, 3>& tables, Image& image) {
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) image.rgb[i + c] = tables[c][image.rgb[i + c]];
  }
}

std::uint32_t luminance(const std::uint8_t* rgb) {
  return (rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16;
}

// Image.blend of one value: cut off, not rounded, which the two branches of Pillow's share.
std::uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(static_cast<int>(std::min(std::max(value, 0.0F), 255.0F)));
}

void blend_with_constant(int constant, float factor, Image& image) {
  look_up(table_of([&](int v) { return blend(constant, v, factor); }), image.rgb);
}

VITRAIL_SIMD_CLONES std::uint64_t sum_of_luminance(const std::uint8_t* rgb, std::size_t pixels) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < pixels; ++i) sum += luminance(rgb + 3 * i);
  return sum;
}

VITRAIL_SIMD_CLONES void to_grey(std::uint8_t* rgb, std::size_t pixels) {
  for (std::size_t i = 0; i < pixels; ++i, rgb += 3) {
    rgb[0] = rgb[1] = rgb[2] = static_cast<std::uint8_t>(luminance(rgb));
  }
}

VITRAIL_SIMD_CLONES void saturate(std::uint8_t* rgb, std::size_t pixels, float factor) {
  for (std::size_t i = 0; i < pixels; ++i, rgb += 3) {
    const auto grey = static_cast<int>(luminance(rgb));
    for (std::size_t c = 0; c < 3; ++c) rgb[c] = blend(grey, rgb[c], factor);
  }
}

VITRAIL_SIMD_CLONES void blend_into(const std::uint8_t* from, float factor, std::uint8_t* to,
                                    std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = blend(from[i], to[i], factor);
}

std::size_t pixels_of(const Image& image) { return image.rgb.size() / 3; }

// int(mean + 0.5) of the luminance.
int mean_luminance(const Image& image) {
  const auto sum = static_cast<double>(sum_of_luminance(image.rgb.data(), pixels_of(image)));
  return static_cast<int>(std::floor(sum / static_cast<double>(pixels_of(image)) + 0.5));
}

std::array<std::array<int, 256>, 3> histograms(const Image& image) {
  std::array<std::array<int, 256>, 3> counts{};
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) ++counts[c][image.rgb[i + c]];
  }
  return counts;
}

template <class TableOf>
void by_histogram(const TableOf& table_of_counts, Image& image) {
  const auto counts = histograms(image);
  look_up_channels({table_of_counts(counts[0]), table_of_counts(counts[1]), table_of_counts(counts[2])},
                   image);
}

ByteTable contrast_table(const std::array<int, 256>& counts) {
  int low = 0, high = 255;
  while (low < 255 && counts[static_cast<std::size_t>(low)] == 0) ++low;
  while (high > 0 && counts[static_cast<std::size_t>(high)] == 0) --high;
  if (high <= low) return table_of([](int v) { return v; });
  const double scale = 255.0 / (high - low), offset = -low * scale;
  return table_of([&](int v) { return static_cast<int>(v * scale + offset); });
}

ByteTable equal_table(const std::array<int, 256>& counts) {
  int total = 0, last = 0;
  for (const int count : counts) {
    total += count;
    if (count > 0) last = count;
  }
  const int step = (total - last) / 255;
  if (step == 0) return table_of([](int v) { return v; });
  int below = step / 2;
  return table_of(
      [&](int v) { return std::exchange(below, below + counts[static_cast<std::size_t>(v)]) / step; });
}

int posterize_mask(int bits) { return bits >= 8 ? 255 : bits < 0 ? 0 : 255 & ~((1 << (8 - bits)) - 1); }

void sharpen(float factor, Image& image, Image& spare) {
  smooth(image, spare);
  blend_into(spare.rgb.data(), factor, image.rgb.data(), image.rgb.size());
}

template <class Write>
void through(Image& image, Image& spare, const Write& write) {
  write(spare);
  std::swap(image, spare);
}

void apply_affine(const AffineMatrix& matrix, Image& image, Image& spare) {
  through(image, spare, [&](Image& out) { transform_affine(image, matrix, kFill, out); });
}

void apply_table(const Operation& operation, Image& image) {
  const auto argument = static_cast<int>(operation.argument);
  switch (operation.kind) {
    case OperationKind::invert:
      return look_up(table_of([](int v) { return 255 - v; }), image.rgb);
    case OperationKind::solarize:
      return look_up(table_of([&](int v) { return v < argument ? v : 255 - v; }), image.rgb);
    case OperationKind::solarize_add:
      return look_up(table_of([&](int v) { return v < 128 ? v + argument : v; }), image.rgb);
    case OperationKind::posterize:
      return look_up(table_of([&](int v) { return v & posterize_mask(argument); }), image.rgb);
    case OperationKind::auto_contrast:
      return by_histogram(contrast_table, image);
    case OperationKind::equalize:
      return by_histogram(equal_table, image);
    default:
      return;
  }
}

void apply_geometry(const Operation& operation, Image& image, Image& spare) {
  const double argument = operation.argument;
  switch (operation.kind) {
    case OperationKind::rotate:
      return through(image, spare, [&](Image& out) { rotate(image, argument, kFill, out); });
    case OperationKind::shear_x:
      return apply_affine({1, argument, 0, 0, 1, 0}, image, spare);
    case OperationKind::shear_y:
      return apply_affine({1, 0, 0, argument, 1, 0}, image, spare);
    case OperationKind::translate_x:
      return apply_affine({1, 0, argument, 0, 1, 0}, image, spare);
    case OperationKind::translate_y:
      return apply_affine({1, 0, 0, 0, 1, argument}, image, spare);
    default:
      return apply_table(operation, image);
  }
}

}  // namespace

std::string_view name_of(OperationKind kind) {
  constexpr std::array<std::string_view, 18> kNames = {
      "grey",     "invert",     "solarize", "solarize_add", "posterize",   "auto_contrast",
      "equalize", "brightness", "contrast", "saturation",   "sharpness",   "blur",
      "rotate",   "shear_x",    "shear_y",  "translate_x",  "translate_y", "hue"};
  return kNames[static_cast<std::size_t>(kind)];
}

void apply(const Operation& operation, Image& image, Image& spare) {
  const auto factor = static_cast<float>(operation.argument);
  switch (operation.kind) {
    case OperationKind::grey:
      return to_grey(image.rgb.data(), pixels_of(image));
    case OperationKind::brightness:
      return blend_with_constant(0, factor, image);
    case OperationKind::contrast:
      return blend_with_constant(mean_luminance(image), factor, image);
    case OperationKind::saturation:
      return saturate(image.rgb.data(), pixels_of(image), factor);
    case OperationKind::sharpness:
      return sharpen(factor, image, spare);
    case OperationKind::blur:
      return gaussian_blur(image, operation.argument, spare);
    case OperationKind::hue:
      return turn_hue(static_cast<int>(operation.argument * 255), image);
    default:
      return apply_geometry(operation, image, spare);
  }
}

}  // namespace vitrail::datasets
