// Compiled once per instruction set, named by VITRAIL_ISA: nothing but the table is visible to the linker,
// and no inline function of a library is used. Loops over kLanes numbers become vectors.
#include "models/kernels/rows/row_kernels.hpp"

namespace vitrail::models {
namespace {

using Index = std::int64_t;

constexpr Index kLanes = 16;  // of a sum along a row, whatever a vector holds

template <class Number>
struct Kernels {
  template <class Term>
  static Number sum_of(Index width, Term term) {
    Number lane[kLanes] = {}, rest = 0;
    Index i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      for (Index l = 0; l < kLanes; ++l) lane[l] += term(i + l);
    }
    for (; i < width; ++i) rest += term(i);
    for (Index half = kLanes / 2; half > 0; half /= 2) {
      for (Index l = 0; l < half; ++l) lane[l] += lane[l + half];
    }
    return lane[0] + rest;
  }

  static void norm(RowsShape shape, const Number* x, const RowNorm<Number>& p, double epsilon, Number* y,
                   Number* kept) {
    const auto width = static_cast<Number>(shape.width);
    const Number *const gain = p.gain, *const bias = p.bias;
    for (Index r = 0; r < shape.rows; ++r) {
      const Number* const from = x + r * shape.width;
      Number* __restrict const to = y + r * shape.width;
      const Number mean = sum_of(shape.width, [&](Index i) { return from[i]; }) / width;
      const Number square =
          sum_of(shape.width, [&](Index i) { return (from[i] - mean) * (from[i] - mean); }) / width;
      const Number rstd = 1 / root(square + static_cast<Number>(epsilon));
      for (Index i = 0; i < shape.width; ++i) to[i] = (from[i] - mean) * rstd * gain[i] + bias[i];
      if (kept != nullptr) __builtin_memcpy(kept + r * shape.width, from, shape.width * sizeof(Number));
      p.mean[r] = mean;
      p.rstd[r] = rstd;
    }
  }
  static float root(float x) { return __builtin_sqrtf(x); }
  static double root(double x) { return __builtin_sqrt(x); }

  static void norm_backward(RowsShape shape, const Number* gradient, const Number* x,
                            const RowNorm<Number>& p, Number* x_gradient, Number* __restrict gain_sum,
                            Number* __restrict bias_sum) {
    const auto width = static_cast<Number>(shape.width);
    const Number* const gain = p.gain;
    for (Index r = 0; r < shape.rows; ++r) {
      const Number *const g = gradient + r * shape.width, *const from = x + r * shape.width;
      Number* __restrict const to = x_gradient + r * shape.width;
      const Number mean = p.mean[r], rstd = p.rstd[r];
      const Number sum = sum_of(shape.width, [&](Index i) { return g[i] * gain[i]; }) / width;
      const Number product =
          sum_of(shape.width, [&](Index i) { return g[i] * gain[i] * ((from[i] - mean) * rstd); }) / width;
      for (Index i = 0; i < shape.width; ++i) {
        const Number normed = (from[i] - mean) * rstd;
        gain_sum[i] += g[i] * normed;
        bias_sum[i] += g[i];
        // A difference, so that no multiplication is fused with what comes past the branch: a branch that is
        // computed again gives it apart.
        to[i] += rstd * (g[i] * gain[i] - sum) - (rstd * product) * normed;
      }
    }
  }

  static void add(RowsShape shape, const Number* sum, const Number* y, const Number* gamma, Number scale,
                  Number* __restrict out) {
    for (Index r = 0; r < shape.rows; ++r) {
      const Index at = r * shape.width;
      if (gamma == nullptr) {
        for (Index i = 0; i < shape.width; ++i) out[at + i] = sum[at + i] + scale * y[at + i];
      } else {
        for (Index i = 0; i < shape.width; ++i) out[at + i] = sum[at + i] + scale * (gamma[i] * y[at + i]);
      }
    }
  }

  static void add_backward(RowsShape shape, const Number* gradient, const Number* y, const Number* gamma,
                           Number scale, Number* __restrict y_gradient, Number* __restrict gamma_sum) {
    for (Index r = 0; r < shape.rows; ++r) {
      const Index at = r * shape.width;
      if (gamma == nullptr) {
        for (Index i = 0; i < shape.width; ++i) y_gradient[at + i] = scale * gradient[at + i];
        continue;
      }
      for (Index i = 0; i < shape.width; ++i) {
        const Number g = scale * gradient[at + i];
        y_gradient[at + i] = g * gamma[i];
        gamma_sum[i] += g * y[at + i];
      }
    }
  }

  static constexpr RowKernels<Number> kTable{norm, norm_backward, add, add_backward};
};

// GELU: x times the share of a normal distribution below x. With t = 1 / (1 + kStretch |x|) the share beyond
// |x| is exp(-x^2 / 2) times a polynomial of t, to 3e-9.
struct Gelu {
  struct Parts {
    float share, bell;  // below x; exp(-x^2 / 2)
  };

  static Parts parts_of(float x) {
    constexpr float kStretch = 0.33F * 0.70710678F;
    constexpr float kTail[8] = {0.1859170632F * 0.5F, 0.1900218181F * 0.5F, 0.1596831223F * 0.5F,
                                0.1706764776F * 0.5F, 0.202212738F * 0.5F,  -0.1541002411F * 0.5F,
                                0.3595612841F * 0.5F, -0.1139722678F * 0.5F};
    const float t = 1 / (1 + kStretch * (x < 0 ? -x : x));
    float tail = kTail[7];
    for (int i = 6; i >= 0; --i) tail = tail * t + kTail[i];
    const float bell = exp_of(-0.5F * x * x);
    const float beyond = tail * t * bell;
    return {x < 0 ? beyond : 1 - beyond, bell};
  }

  // Of x <= 0: 2^n e^r, n and then its place in a float's exponent by adding 1.5 * 2^23.
  static float exp_of(float x) {
    x = x < -86 ? -86 : x;
    const float rounded = x * 1.44269504F + 0x1.8p23F;
    const float n = rounded - 0x1.8p23F;
    const float r = (x - n * 0x1.62e4p-1F) - n * 0x1.7f7d1cp-20F;
    constexpr float kSeries[8] = {1, 1, 1 / 2.F, 1 / 6.F, 1 / 24.F, 1 / 120.F, 1 / 720.F, 1 / 5040.F};
    float sum = kSeries[7];
    for (int i = 6; i >= 0; --i) sum = sum * r + kSeries[i];
    return __builtin_bit_cast(
        float, __builtin_bit_cast(std::uint32_t, sum) + (__builtin_bit_cast(std::uint32_t, rounded) << 23));
  }

  template <bool kBiased>
  static void forward_rows(RowsShape shape, const float* x, const float* bias, float* __restrict y) {
    for (Index r = 0; r < shape.rows; ++r) {
      const Index at = r * shape.width;
      for (Index i = 0; i < shape.width; ++i) {
        const float in = kBiased ? x[at + i] + bias[i] : x[at + i];
        y[at + i] = in * parts_of(in).share;
      }
    }
  }

  static void forward(RowsShape shape, const float* x, const float* bias, float* y) {
    (bias != nullptr ? forward_rows<true> : forward_rows<false>)(shape, x, bias, y);
  }

  template <bool kBiased>
  static void backward_rows(RowsShape shape, const float* gradient, const float* x, const float* bias,
                            float* __restrict x_gradient, float* __restrict bias_sum) {
    constexpr float kDensity = 0.39894228F;  // 1 / sqrt(2 pi)
    for (Index r = 0; r < shape.rows; ++r) {
      const Index at = r * shape.width;
      for (Index i = 0; i < shape.width; ++i) {
        const float in = kBiased ? x[at + i] + bias[i] : x[at + i];
        const Parts parts = parts_of(in);
        const float g = gradient[at + i] * (parts.share + in * (kDensity * parts.bell));
        x_gradient[at + i] = g;
        if (kBiased) bias_sum[i] += g;
      }
    }
  }

  static void backward(RowsShape shape, const float* gradient, const float* x, const float* bias,
                       float* x_gradient, float* bias_sum) {
    (bias != nullptr ? backward_rows<true> : backward_rows<false>)(shape, gradient, x, bias, x_gradient,
                                                                   bias_sum);
  }

  static constexpr GeluKernels kTable{forward, backward};
};

}  // namespace

const RowKernelTable VITRAIL_ISA::kRows{Kernels<float>::kTable, Kernels<double>::kTable, Gelu::kTable};

}  // namespace vitrail::models
