// Compiled once per instruction set, named by VITRAIL_ISA: nothing but the table is visible to the linker,
// and no inline function of a library is used. Loops over channels become vectors.
#include "models/kernels/maps/map_kernels.hpp"

namespace vitrail::models {
namespace {

using Index = std::int64_t;

constexpr Index kBlock = 64;  // channels whose sums stay in registers

template <class Number>
struct Kernels {
  // body(first channel, a block's channels): a constant where the block is whole.
  struct Whole {
    constexpr operator Index() const { return kBlock; }
  };
  template <class Body>
  static void over_blocks(Index channels, Body body) {
    Index c = 0;
    for (; c + kBlock <= channels; c += kBlock) body(c, Whole{});
    if (c < channels) body(c, channels - c);
  }

  static void moments(MapRows shape, const Number* x, Number* mean, Number* squares) {
    over_blocks(shape.channels, [&](Index first, auto count) {
      Number sum[kBlock] = {}, square[kBlock] = {};
      for (Index r = 0; r < shape.rows; ++r) {
        const Number* const row = x + r * shape.channels + first;
        for (Index c = 0; c < count; ++c) sum[c] += row[c];
      }
      for (Index c = 0; c < count; ++c) sum[c] /= static_cast<Number>(shape.rows);
      for (Index r = 0; r < shape.rows; ++r) {
        const Number* const row = x + r * shape.channels + first;
        for (Index c = 0; c < count; ++c) square[c] += (row[c] - sum[c]) * (row[c] - sum[c]);
      }
      for (Index c = 0; c < count; ++c) {
        mean[first + c] = sum[c];
        squares[first + c] = square[c];
      }
    });
  }

  template <bool kAdds, bool kRectifies>
  static void normalize_rows(MapRows shape, const Number* __restrict x, const Number* __restrict scale,
                             const Number* __restrict shift, const Number* __restrict added,
                             Number* __restrict y) {
    for (Index r = 0; r < shape.rows; ++r) {
      const Index at = r * shape.channels;
      for (Index c = 0; c < shape.channels; ++c) {
        Number value = x[at + c] * scale[c] + shift[c];
        if (kAdds) value += added[at + c];
        y[at + c] = kRectifies && value < 0 ? 0 : value;  // what is no number stays
      }
    }
  }

  static void normalize(MapRows shape, const Number* x, const Number* scale, const Number* shift,
                        const Number* added, bool rectified, Number* y) {
    const auto run = added != nullptr
                         ? (rectified ? normalize_rows<true, true> : normalize_rows<true, false>)
                         : (rectified ? normalize_rows<false, true> : normalize_rows<false, false>);
    run(shape, x, scale, shift, added, y);
  }

  enum class Zero { none, by_x, by_y };  // gradients of what was rectified

  template <Zero kZero>
  static void sums_of_gradient(MapRows shape, const NormedMap<Number>& in, Number* sums, Number* products,
                               Number* __restrict before) {
    over_blocks(shape.channels, [&](Index first, auto count) {
      Number sum[kBlock] = {}, product[kBlock] = {}, mean[kBlock] = {}, scale[kBlock] = {},
             shift[kBlock] = {};
      for (Index c = 0; c < count; ++c) {
        mean[c] = in.mean[first + c];
        if (kZero == Zero::by_x) scale[c] = in.scale[first + c], shift[c] = in.shift[first + c];
      }
      for (Index r = 0; r < shape.rows; ++r) {
        const Index at = r * shape.channels + first;
        const Number *const x = in.x + at, *const y = in.y + at, *const gradient = in.y_gradient + at;
        for (Index c = 0; c < count; ++c) {
          const bool zero =
              (kZero == Zero::by_x && x[c] * scale[c] + shift[c] <= 0) || (kZero == Zero::by_y && y[c] <= 0);
          const Number g = zero ? 0 : gradient[c];
          if (kZero == Zero::by_y) before[at + c] = g;
          sum[c] += g;
          product[c] += g * (x[c] - mean[c]);
        }
      }
      for (Index c = 0; c < count; ++c) {
        sums[first + c] = sum[c];
        products[first + c] = product[c];
      }
    });
  }

  static void gradient_sums(MapRows shape, const NormedMap<Number>& in, Number* sums, Number* products,
                            Number* before) {
    const auto run = in.y != nullptr       ? sums_of_gradient<Zero::by_y>
                     : in.scale != nullptr ? sums_of_gradient<Zero::by_x>
                                           : sums_of_gradient<Zero::none>;
    run(shape, in, sums, products, before);
  }

  template <Zero kZero>
  static void gradient_of_rows(MapRows shape, const NormedMap<Number>& in,
                               const Number* __restrict of_gradient, const Number* __restrict of_distance,
                               const Number* __restrict constant, Number* __restrict x_gradient) {
    const Number* const __restrict mean = in.mean, * const __restrict scale = in.scale, * const __restrict shift = in.shift;
    for (Index r = 0; r < shape.rows; ++r) {
      const Index at = r * shape.channels;
      const Number *const x = in.x + at, *const gradient = in.y_gradient + at;
      for (Index c = 0; c < shape.channels; ++c) {
        const bool zero = kZero == Zero::by_x && x[c] * scale[c] + shift[c] <= 0;
        const Number g = zero ? 0 : gradient[c];
        x_gradient[at + c] = of_gradient[c] * g + of_distance[c] * (x[c] - mean[c]) + constant[c];
      }
    }
  }

  static void gradient(MapRows shape, const NormedMap<Number>& in, const Number* of_gradient,
                       const Number* of_distance, const Number* constant, Number* x_gradient) {
    const auto run = in.scale != nullptr ? gradient_of_rows<Zero::by_x> : gradient_of_rows<Zero::none>;
    run(shape, in, of_gradient, of_distance, constant, x_gradient);
  }

  // Of kLanes channels; the border's taps see zeros.
  static constexpr Index kLanes = 16;

  template <class Count>
  static void depthwise_block(const MapOfImage<Number>& in, Index first, Count count,
                              Number* weight_gradient) {
    Number sum[9][kLanes] = {};
    const Index side = in.side, channels = in.channels;
    for (Index row = 0; row < side; ++row) {
      for (Index column = 0; column < side; ++column) {
        const Number* const g = in.y_gradient + (row * side + column) * channels + first;
        for (Index tap = 0; tap < 9; ++tap) {
          const Index from_row = row + tap / 3 - 1, from_column = column + tap % 3 - 1;
          if (from_row < 0 || from_row >= side || from_column < 0 || from_column >= side) continue;
          const Number* const x = in.x + (from_row * side + from_column) * channels + first;
          for (Index c = 0; c < count; ++c) sum[tap][c] += g[c] * x[c];
        }
      }
    }
    for (Index tap = 0; tap < 9; ++tap) {
      for (Index c = 0; c < count; ++c) weight_gradient[tap * channels + first + c] = sum[tap][c];
    }
  }

  struct Lanes {
    constexpr operator Index() const { return kLanes; }
  };
  static void depthwise_weight_gradient(const MapOfImage<Number>& in, Number* weight_gradient) {
    Index c = 0;
    for (; c + kLanes <= in.channels; c += kLanes) depthwise_block(in, c, Lanes{}, weight_gradient);
    if (c < in.channels) depthwise_block(in, c, in.channels - c, weight_gradient);
  }

  static constexpr MapKernels<Number> kTable{moments, normalize, gradient_sums, gradient,
                                             depthwise_weight_gradient};
};

}  // namespace

const MapKernelTable VITRAIL_ISA::kMaps{Kernels<float>::kTable, Kernels<double>::kTable};

}  // namespace vitrail::models
