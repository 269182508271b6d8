// Compiled once per instruction set (CMakeLists.txt); every one gives the same bits: the operations are those
// written here, without contraction, and sums run in the order written here.
#include <cmath>

#include "sharding/update_kernels_table.hpp"

namespace vitrail::sharding {
namespace {

// Scalars in the element type, rounded once.
template <class Real>
struct Scalars {
  Real scale, beta1, one_minus_beta1, beta2, one_minus_beta2, eps, decay, sqrt_bias2;
  explicit Scalars(const UpdateStep& s)
      : scale(static_cast<Real>(s.gradient_scale)),
        beta1(static_cast<Real>(s.beta1)),
        one_minus_beta1(static_cast<Real>(1 - s.beta1)),
        beta2(static_cast<Real>(s.beta2)),
        one_minus_beta2(static_cast<Real>(1 - s.beta2)),
        eps(static_cast<Real>(s.eps)),
        decay(static_cast<Real>(s.weight_decay)),
        sqrt_bias2(static_cast<Real>(std::sqrt(s.bias_correction2))) {}
};

// The elements of one cache line, and doubles for eight of them: fixed shapes, whatever registers hold them.
template <class Real>
constexpr std::int64_t kLine = 64 / sizeof(Real);

constexpr std::int64_t kWays = 8;  // independent partial sums: vectorisable, and always the same eight
using Partial __attribute__((vector_size(kWays * sizeof(double)))) = double;
template <class Real>
struct Eight {
  using Values __attribute__((vector_size(kWays * sizeof(Real)), aligned(sizeof(Real)), may_alias)) = Real;
};

// A core alone does not ask memory for the next lines early enough to keep it busy: 2 KiB ahead is what it
// takes.
template <class... Real>
void fetch_ahead(std::int64_t i, const Real*... values) {
  constexpr std::int64_t kAheadBytes = 2048;
  (__builtin_prefetch(reinterpret_cast<const char*>(values + i) + kAheadBytes), ...);
}

template <class Real>
void add_squares(const Real* x, Partial& sums) {
  for (std::int64_t k = 0; k < kLine<Real>; k += kWays) {
    const auto values =
        __builtin_convertvector(*reinterpret_cast<const typename Eight<Real>::Values*>(x + k), Partial);
    sums += values * values;
  }
}

double total(const Partial& sums) {
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

template <class Real>
double square(Real x) {
  return static_cast<double>(x) * static_cast<double>(x);
}

template <class Real>
double sum_of_squares(const Real* x, std::int64_t n) {
  Partial sums{};
  std::int64_t i = 0;
  for (; i + kLine<Real> <= n; i += kLine<Real>) {
    fetch_ahead(i, x);
    add_squares(x + i, sums);
  }
  double rest = 0;
  for (; i < n; ++i) rest += square(x[i]);
  return total(sums) + rest;
}

template <class Real>
void adamw_update(const UpdateStep& step, std::int64_t n, const Real* __restrict sum, Real* __restrict weight,
                  Real* __restrict exp_avg, Real* __restrict exp_avg_sq) {
  const Scalars<Real> s(step);
  const auto keep = static_cast<Real>(1 - step.lr * step.weight_decay);
  const auto rate = static_cast<Real>(step.lr / step.bias_correction1);
  const auto update = [&](std::int64_t i) __attribute__((always_inline)) {
    const Real g = sum[i] * s.scale;
    const Real m = exp_avg[i] + s.one_minus_beta1 * (g - exp_avg[i]);
    const Real v = s.beta2 * exp_avg_sq[i] + s.one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    weight[i] = weight[i] * keep - rate * (m / (std::sqrt(v) / s.sqrt_bias2 + s.eps));
  };
  std::int64_t i = 0;
  for (; i + kLine<Real> <= n; i += kLine<Real>) {
    fetch_ahead(i, sum, weight, exp_avg, exp_avg_sq);
    for (std::int64_t k = 0; k < kLine<Real>; ++k) update(i + k);
  }
  for (; i < n; ++i) update(i);
}

template <class Real>
void sgd_update(const UpdateStep& step, std::int64_t n, const Real* __restrict sum, Real* __restrict weight,
                Real* __restrict momentum) {
  const auto scale = static_cast<Real>(step.gradient_scale), decay = static_cast<Real>(step.weight_decay);
  const auto keep = static_cast<Real>(step.momentum), rate = static_cast<Real>(step.lr);
  const bool nesterov = step.nesterov;
  for (std::int64_t i = 0; i < n; ++i) {
    const Real g = sum[i] * scale + decay * weight[i];
    const Real m = keep * momentum[i] + g;
    momentum[i] = m;
    weight[i] -= rate * (nesterov ? g + keep * m : m);
  }
}

template <class Real>
void clamp(Real limit, std::int64_t n, Real* x) {
  for (std::int64_t i = 0; i < n; ++i) {
    const Real v = x[i] > limit ? limit : x[i];
    x[i] = v < -limit ? -limit : v;
  }
}

template <class Real>
void multiply(double factor, std::int64_t n, Real* x) {
  const auto f = static_cast<Real>(factor);
  for (std::int64_t i = 0; i < n; ++i) x[i] *= f;
}

template <class Real>
LambSquares lamb_direction(const UpdateStep& step, std::int64_t n, Real* __restrict sum,
                           const Real* __restrict weight, Real* __restrict exp_avg,
                           Real* __restrict exp_avg_sq) {
  const Scalars<Real> s(step);
  const auto bias1 = static_cast<Real>(step.bias_correction1);
  const auto direct = [&](std::int64_t i) __attribute__((always_inline)) {
    const Real g = sum[i] * s.scale;
    const Real m = s.beta1 * exp_avg[i] + s.one_minus_beta1 * g;
    const Real v = s.beta2 * exp_avg_sq[i] + s.one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    sum[i] = (m / bias1) / (std::sqrt(v) / s.sqrt_bias2 + s.eps) + s.decay * weight[i];
  };
  Partial weights{}, updates{};
  std::int64_t i = 0;
  for (; i + kLine<Real> <= n; i += kLine<Real>) {
    fetch_ahead(i, sum, weight, exp_avg, exp_avg_sq);
    for (std::int64_t k = 0; k < kLine<Real>; ++k) direct(i + k);
    add_squares(weight + i, weights);
    add_squares(sum + i, updates);
  }
  LambSquares rest;
  for (; i < n; ++i) {
    direct(i);
    rest.weight += square(weight[i]);
    rest.update += square(sum[i]);
  }
  return {total(weights) + rest.weight, total(updates) + rest.update};
}

template <class Real>
void apply_update(double rate, std::int64_t n, const Real* __restrict update, Real* __restrict weight) {
  const auto r = static_cast<Real>(rate);
  std::int64_t i = 0;
  for (; i + kLine<Real> <= n; i += kLine<Real>) {
    fetch_ahead(i, update, weight);
    for (std::int64_t k = 0; k < kLine<Real>; ++k) weight[i + k] -= r * update[i + k];
  }
  for (; i < n; ++i) weight[i] -= r * update[i];
}

template <class Real>
void move_towards(double share, std::int64_t n, const Real* __restrict weight, Real* __restrict average) {
  const auto s = static_cast<Real>(share);
  if (s < Real{0.5}) {
    for (std::int64_t i = 0; i < n; ++i) average[i] += s * (weight[i] - average[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) average[i] = weight[i] - (weight[i] - average[i]) * (1 - s);
  }
}

template <class Real>
constexpr UpdateKernels<Real> kKernels{sum_of_squares<Real>, adamw_update<Real>, sgd_update<Real>,
                                       clamp<Real>,          multiply<Real>,     lamb_direction<Real>,
                                       apply_update<Real>,   move_towards<Real>};

}  // namespace

const UpdateKernelsTable VITRAIL_ISA::kUpdateKernels{kKernels<float>, kKernels<double>};

}  // namespace vitrail::sharding
