#include "datasets/pixels/resize_kernels.hpp"

#include <algorithm>

#include "datasets/pixels/resize_x86.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

void across(const RowsIn& in, const Taps& taps, std::vector<std::int16_t>&, const RowsOut& out) {
  for (int y = 0; y < in.count; ++y) {
    const std::uint8_t* row = in.first + static_cast<std::size_t>(y) * in.stride;
    std::uint8_t* target = out.first + static_cast<std::size_t>(y) * out.stride;
    for (int i = 0; i < taps.outputs(); ++i) {
      const std::int32_t* weights = taps.weights_of(i);
      const std::uint8_t* pixel = row + std::ptrdiff_t{taps.first[static_cast<std::size_t>(i)]} * 3;
      std::int32_t red = kHalf, green = kHalf, blue = kHalf;
      for (int k = 0; k < taps.taps; ++k, pixel += 3) {
        red += pixel[0] * weights[k];
        green += pixel[1] * weights[k];
        blue += pixel[2] * weights[k];
      }
      *target++ = to_byte(red);
      *target++ = to_byte(green);
      *target++ = to_byte(blue);
    }
  }
}

void down(const RowsIn& in, const Taps& taps, std::size_t bytes, const RowsOut& out) {
  std::vector<std::int32_t> sums(bytes);
  for (int y = 0; y < taps.outputs(); ++y) {
    const std::uint8_t* row =
        in.first + static_cast<std::size_t>(taps.first[static_cast<std::size_t>(y)]) * in.stride;
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int k = 0; k < taps.taps; ++k, row += in.stride) {
      const std::int32_t weight = taps.weights_of(y)[k];
      for (std::size_t x = 0; x < bytes; ++x) sums[x] += row[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), out.first + static_cast<std::size_t>(y) * out.stride, to_byte);
  }
}

constexpr ResizeKernels kPlain{"plain", across, down};

}  // namespace

const ResizeKernels& plain_resize_kernels() { return kPlain; }

std::vector<const ResizeKernels*> all_resize_kernels() {
  std::vector<const ResizeKernels*> all = {&kPlain};
  if (const ResizeKernels* kernels = avx2_resize_kernels()) all.push_back(kernels);
  if (const ResizeKernels* kernels = avx512_resize_kernels()) all.push_back(kernels);
  return all;
}

const ResizeKernels& best_resize_kernels() {
  if (const ResizeKernels* kernels = avx512_resize_kernels()) return *kernels;
  if (const ResizeKernels* kernels = avx2_resize_kernels()) return *kernels;
  return kPlain;
}

}  // namespace vitrail::datasets
