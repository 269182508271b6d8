// The optimizers' arithmetic on one element and the order of sums of squares, written once for CPUs
// (update_kernels_isa.cpp) and GPUs (gpu_updates.cu). Both compile it without contraction, so both give the
// same bits. C++17, for the CUDA compiler. Sources: see update_kernels.hpp.
#pragma once

#include <cmath>

#include "sharding/device/update_kernels.hpp"

// Always inlined: a copy that one instruction set compiled must not serve another.
#ifdef __CUDACC__
#define VITRAIL_FORMULA __host__ __device__ __forceinline__
#else
#define VITRAIL_FORMULA inline __attribute__((always_inline))
#endif

namespace vitrail::sharding::formulas {

// Squares are summed in doubles: kWays partial sums, of every kWays-th element, over kSumLength elements; a
// last group of fewer than kWays elements one by one; these totals in order.
constexpr int kWays = 8;
constexpr int kSumLength = 512;

VITRAIL_FORMULA double total_of_ways(double a, double b, double c, double d, double e, double f, double g,
                                     double h) {
  return ((a + e) + (c + g)) + ((b + f) + (d + h));
}

template <class Real>
VITRAIL_FORMULA double square(Real x) {
  return static_cast<double>(x) * static_cast<double>(x);
}

// A step's scalars in the element type, rounded once.
template <class Real>
struct Scalars {
  Real scale, beta1, one_minus_beta1, beta2, one_minus_beta2, eps, decay, bias1, sqrt_bias2;
  Real keep, rate;  // AdamW's
  Real lr, momentum;
  bool nesterov;

  VITRAIL_FORMULA explicit Scalars(const UpdateStep& s)
      : scale(static_cast<Real>(s.gradient_scale)),
        beta1(static_cast<Real>(s.beta1)),
        one_minus_beta1(static_cast<Real>(1 - s.beta1)),
        beta2(static_cast<Real>(s.beta2)),
        one_minus_beta2(static_cast<Real>(1 - s.beta2)),
        eps(static_cast<Real>(s.eps)),
        decay(static_cast<Real>(s.weight_decay)),
        bias1(static_cast<Real>(s.bias_correction1)),
        sqrt_bias2(static_cast<Real>(std::sqrt(s.bias_correction2))),
        keep(static_cast<Real>(1 - s.lr * s.weight_decay)),
        rate(static_cast<Real>(s.lr / s.bias_correction1)),
        lr(static_cast<Real>(s.lr)),
        momentum(static_cast<Real>(s.momentum)),
        nesterov(s.nesterov) {}
};

template <class Real>
VITRAIL_FORMULA void adamw(const Scalars<Real>& s, Real sum, Real& weight, Real& exp_avg, Real& exp_avg_sq) {
  const Real g = sum * s.scale;
  const Real m = exp_avg + s.one_minus_beta1 * (g - exp_avg);
  const Real v = s.beta2 * exp_avg_sq + s.one_minus_beta2 * g * g;
  exp_avg = m;
  exp_avg_sq = v;
  weight = weight * s.keep - s.rate * (m / (std::sqrt(v) / s.sqrt_bias2 + s.eps));
}

template <class Real>
VITRAIL_FORMULA void sgd(const Scalars<Real>& s, Real sum, Real& weight, Real& momentum) {
  const Real g = sum * s.scale + s.decay * weight;
  const Real m = s.momentum * momentum + g;
  momentum = m;
  weight -= s.lr * (s.nesterov ? g + s.momentum * m : m);
}

template <class Real>
VITRAIL_FORMULA void lamb_direction(const Scalars<Real>& s, Real& sum, Real weight, Real& exp_avg,
                                    Real& exp_avg_sq) {
  const Real g = sum * s.scale;
  const Real m = s.beta1 * exp_avg + s.one_minus_beta1 * g;
  const Real v = s.beta2 * exp_avg_sq + s.one_minus_beta2 * g * g;
  exp_avg = m;
  exp_avg_sq = v;
  sum = (m / s.bias1) / (std::sqrt(v) / s.sqrt_bias2 + s.eps) + s.decay * weight;
}

// What is no number stays.
template <class Real>
VITRAIL_FORMULA Real clamped(Real limit, Real x) {
  const Real v = x > limit ? limit : x;
  return v < -limit ? -limit : v;
}

// From the nearer end.
template <class Real>
VITRAIL_FORMULA void move_towards(Real share, Real weight, Real& average) {
  if (share < Real{0.5}) {
    average += share * (weight - average);
  } else {
    average = weight - (weight - average) * (1 - share);
  }
}

}  // namespace vitrail::sharding::formulas
