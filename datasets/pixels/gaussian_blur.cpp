#include <algorithm>
#include <cmath>
#include <cstring>

#include "datasets/pixels/image_filters.hpp"
#include "datasets/pixels/simd_clones.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kPasses = 3;
constexpr std::uint32_t kOne = 1U << 24;

// A box of 2 * reach + 1 pixels and, at both ends, a part of one more (Gwosdek et al., 2011).
struct ExtendedBox {
  int reach = 0;
  std::uint32_t inner = 0, outer = 0;  // weights, of kOne
};

// Floats where Pillow has floats: the weights depend on it.
ExtendedBox box_of(float radius) {
  const float variance = radius * radius / kPasses;
  const auto length = static_cast<float>(std::sqrt(12.0 * static_cast<double>(variance) + 1.0));
  const auto whole = static_cast<float>(std::floor((static_cast<double>(length) - 1.0) / 2.0));
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  const float reach = whole + part;
  ExtendedBox box;
  box.reach = static_cast<int>(reach);
  box.inner = static_cast<std::uint32_t>(static_cast<float>(kOne) / (reach * 2 + 1));
  box.outer = (kOne - static_cast<std::uint32_t>(box.reach * 2 + 1) * box.inner) / 2;
  return box;
}

// out[i] = the box around in[i], whose neighbours are `step` bytes apart and exist.
VITRAIL_SIMD_CLONES void box_line(const std::uint8_t* in, std::ptrdiff_t step, std::size_t count,
                                  ExtendedBox box, std::uint8_t* out) {
  if (box.reach == 0) {  // the usual ones have loops of their own, without a loop inside
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* p = in + i;
      out[i] = static_cast<std::uint8_t>(
          (p[0] * box.inner + static_cast<std::uint32_t>(p[-step] + p[step]) * box.outer + kOne / 2) >> 24);
    }
    return;
  }
  if (box.reach == 1) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* p = in + i;
      const auto sum = static_cast<std::uint32_t>(p[-step] + p[0] + p[step]);
      const auto far = static_cast<std::uint32_t>(p[-2 * step] + p[2 * step]);
      out[i] = static_cast<std::uint8_t>((sum * box.inner + far * box.outer + kOne / 2) >> 24);
    }
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t sum = 0;
    for (std::ptrdiff_t k = -box.reach; k <= box.reach; ++k)
      sum += in[static_cast<std::ptrdiff_t>(i) + k * step];
    const std::ptrdiff_t far = (box.reach + 1) * step;
    const auto ends = static_cast<std::uint32_t>(in[static_cast<std::ptrdiff_t>(i) - far] +
                                                 in[static_cast<std::ptrdiff_t>(i) + far]);
    out[i] = static_cast<std::uint8_t>((sum * box.inner + ends * box.outer + kOne / 2) >> 24);
  }
}

// A row with its first and last pixel repeated beyond its ends, three times over.
void blur_rows(Image& image, const ExtendedBox& box) {
  const std::size_t bytes = static_cast<std::size_t>(image.width) * 3;
  const std::size_t margin = static_cast<std::size_t>(box.reach + 1) * 3;
  std::vector<std::uint8_t> padded(bytes + 2 * margin);
  std::uint8_t* const line = padded.data() + margin;
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* row = image.row(y);
    for (int pass = 0; pass < kPasses; ++pass) {
      std::memcpy(line, row, bytes);
      for (std::size_t i = 0; i < margin; ++i) {
        padded[i] = row[i % 3];
        line[bytes + i] = row[bytes - 3 + i % 3];
      }
      box_line(line, 3, bytes, box, row);
    }
  }
}

// The same along columns: rows repeated above the first and below the last.
void blur_columns(Image& image, const ExtendedBox& box, Image& spare) {
  const std::size_t bytes = static_cast<std::size_t>(image.width) * 3;
  const int margin = box.reach + 1;
  spare.width = image.width;
  spare.height = image.height + 2 * margin;
  spare.rgb.resize(bytes * static_cast<std::size_t>(spare.height));
  for (int pass = 0; pass < kPasses; ++pass) {
    for (int y = 0; y < spare.height; ++y) {
      std::memcpy(spare.row(y), image.row(std::clamp(y - margin, 0, image.height - 1)), bytes);
    }
    box_line(spare.row(margin), static_cast<std::ptrdiff_t>(bytes),
             bytes * static_cast<std::size_t>(image.height), box, image.rgb.data());
  }
}

}  // namespace

void gaussian_blur(Image& image, double radius, Image& spare) {
  const ExtendedBox box = box_of(static_cast<float>(radius));
  if (radius == 0.0) return;
  blur_rows(image, box);
  blur_columns(image, box, spare);
}

void smooth(const Image& image, Image& out) {
  out = image;
  for (int y = 1; y + 1 < image.height; ++y) {
    for (int i = 3; i < (image.width - 1) * 3; ++i) {
      int sum = 4 * image.row(y)[i];
      for (int line = y - 1; line <= y + 1; ++line) {
        const std::uint8_t* row = image.row(line);
        sum += row[i - 3] + row[i] + row[i + 3];
      }
      out.row(y)[i] = static_cast<std::uint8_t>((2 * sum + 13) / 26);  // to the nearest: there are no halves
    }
  }
}

}  // namespace vitrail::datasets
