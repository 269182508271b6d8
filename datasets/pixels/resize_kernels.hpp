// The two passes of a resize over rows of RGB bytes, for the instructions that the processor has. Weights are
// 22-bit fixed point and sums integers, so every variant gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vitrail::datasets {

inline constexpr int kWeightBits = 32 - 8 - 2;  // 8 bits of pixel, 2 of headroom for the kernel's overshoot

// For each output of one axis, `taps` inputs from first[i] on and their weights; some of them may be 0.
struct Taps {
  int taps = 0;
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> weights;  // taps per output

  int outputs() const { return static_cast<int>(first.size()); }
  const std::int32_t* weights_of(int i) const {
    return weights.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(taps);
  }
};

struct RowsIn {
  const std::uint8_t* first = nullptr;
  std::size_t stride = 0;  // bytes between rows
  int count = 0;
};

struct RowsOut {
  std::uint8_t* first = nullptr;
  std::size_t stride = 0;
};

struct ResizeKernels {
  const char* name;
  // Each row by itself: taps.outputs() pixels of 3 bytes. Up to kSpareBytes behind an output row are written,
  // and up to kSpareBytes behind an input row read: `in` leaves out rows where those are not there.
  void (*across)(const RowsIn& in, const Taps& taps, std::vector<std::int16_t>& scratch, const RowsOut& out);
  // Row i of the result from rows taps.first[i] on, `bytes` of each; reads up to kSpareBytes more.
  void (*down)(const RowsIn& in, const Taps& taps, std::size_t bytes, const RowsOut& out);
};
inline constexpr std::size_t kSpareBytes = 64;

const ResizeKernels& plain_resize_kernels();
const ResizeKernels& best_resize_kernels();              // that this processor runs
std::vector<const ResizeKernels*> all_resize_kernels();  // that this processor runs

}  // namespace vitrail::datasets
