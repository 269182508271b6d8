// Compiled once per instruction set (CMakeLists.txt); every one gives the same bits: the operations are those
// written here, without contraction, and sums run in the order written here.
#include <array>
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

template <class Real>
double sum_of_squares(const Real* x, std::int64_t n) {
  constexpr std::int64_t kWays = 8;  // independent partial sums: vectorisable, and always the same eight
  std::array<double, kWays> partial{};
  std::int64_t i = 0;
  for (; i + kWays <= n; i += kWays) {
    for (std::int64_t k = 0; k < kWays; ++k) {
      const auto value = static_cast<double>(x[i + k]);
      partial[static_cast<std::size_t>(k)] += value * value;
    }
  }
  double rest = 0;
  for (; i < n; ++i) rest += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
         ((partial[1] + partial[5]) + (partial[3] + partial[7])) + rest;
}

template <class Real>
void adamw_update(const UpdateStep& step, std::int64_t n, const Real* __restrict sum, Real* __restrict weight,
                  Real* __restrict exp_avg, Real* __restrict exp_avg_sq) {
  const Scalars<Real> s(step);
  const auto keep = static_cast<Real>(1 - step.lr * step.weight_decay);
  const auto rate = static_cast<Real>(step.lr / step.bias_correction1);
  for (std::int64_t i = 0; i < n; ++i) {
    const Real g = sum[i] * s.scale;
    const Real m = exp_avg[i] + s.one_minus_beta1 * (g - exp_avg[i]);
    const Real v = s.beta2 * exp_avg_sq[i] + s.one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    weight[i] = weight[i] * keep - rate * (m / (std::sqrt(v) / s.sqrt_bias2 + s.eps));
  }
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
void lamb_direction(const UpdateStep& step, std::int64_t n, Real* __restrict sum,
                    const Real* __restrict weight, Real* __restrict exp_avg, Real* __restrict exp_avg_sq) {
  const Scalars<Real> s(step);
  const auto bias1 = static_cast<Real>(step.bias_correction1);
  for (std::int64_t i = 0; i < n; ++i) {
    const Real g = sum[i] * s.scale;
    const Real m = s.beta1 * exp_avg[i] + s.one_minus_beta1 * g;
    const Real v = s.beta2 * exp_avg_sq[i] + s.one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    sum[i] = (m / bias1) / (std::sqrt(v) / s.sqrt_bias2 + s.eps) + s.decay * weight[i];
  }
}

template <class Real>
void apply_update(double rate, std::int64_t n, const Real* __restrict update, Real* __restrict weight) {
  const auto r = static_cast<Real>(rate);
  for (std::int64_t i = 0; i < n; ++i) weight[i] -= r * update[i];
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
