// Compiled once per instruction set (CMakeLists.txt); every one gives the same bits: the operations are those
// of update_formulas.hpp, without contraction, and sums run in the order written there.
#include <algorithm>

#include "sharding/device/update_formulas.hpp"
#include "sharding/device/update_kernels_table.hpp"

namespace vitrail::sharding {
namespace {

using formulas::kWays;

// The elements of one cache line, and doubles for eight of them: fixed shapes, whatever registers hold them.
template <class Real>
constexpr std::int64_t kLine = 64 / sizeof(Real);

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

template <std::int64_t kCount, class Real>
void add_squares(const Real* x, Partial& sums) {
  for (std::int64_t k = 0; k < kCount; k += kWays) {
    const auto values =
        __builtin_convertvector(*reinterpret_cast<const typename Eight<Real>::Values*>(x + k), Partial);
    sums += values * values;
  }
}

double total(const Partial& p) {
  return formulas::total_of_ways(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]);
}

template <class Real>
double sum_of_squares(const Real* x, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t end = std::min(i + formulas::kSumLength, n);
    Partial partial{};
    for (; i + kLine<Real> <= end; i += kLine<Real>) {
      fetch_ahead(i, x);
      add_squares<kLine<Real>>(x + i, partial);
    }
    for (; i + kWays <= end; i += kWays) add_squares<kWays>(x + i, partial);
    double rest = 0;
    for (; i < end; ++i) rest += formulas::square(x[i]);
    sum += total(partial) + rest;
  }
  return sum;
}

template <class Real>
void adamw_update(const UpdateStep& step, std::int64_t n, const Real* __restrict sum, Real* __restrict weight,
                  Real* __restrict exp_avg, Real* __restrict exp_avg_sq) {
  const formulas::Scalars<Real> s(step);
  std::int64_t i = 0;
  for (; i + kLine<Real> <= n; i += kLine<Real>) {
    fetch_ahead(i, sum, weight, exp_avg, exp_avg_sq);
    for (std::int64_t k = i; k < i + kLine<Real>; ++k) {
      formulas::adamw(s, sum[k], weight[k], exp_avg[k], exp_avg_sq[k]);
    }
  }
  for (; i < n; ++i) formulas::adamw(s, sum[i], weight[i], exp_avg[i], exp_avg_sq[i]);
}

template <class Real>
void sgd_update(const UpdateStep& step, std::int64_t n, const Real* __restrict sum, Real* __restrict weight,
                Real* __restrict momentum) {
  const formulas::Scalars<Real> s(step);
  for (std::int64_t i = 0; i < n; ++i) formulas::sgd(s, sum[i], weight[i], momentum[i]);
}

template <class Real>
void clamp(Real limit, std::int64_t n, Real* x) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = formulas::clamped(limit, x[i]);
}

template <class Real>
void multiply(double factor, std::int64_t n, Real* x) {
  const auto f = static_cast<Real>(factor);
  for (std::int64_t i = 0; i < n; ++i) x[i] *= f;
}

template <class Real>
Squares lamb_direction(const UpdateStep& step, std::int64_t n, Real* __restrict sum,
                       const Real* __restrict weight, Real* __restrict exp_avg, Real* __restrict exp_avg_sq) {
  const formulas::Scalars<Real> s(step);
  const auto direct = [&](std::int64_t i) __attribute__((always_inline)) {
    formulas::lamb_direction(s, sum[i], weight[i], exp_avg[i], exp_avg_sq[i]);
  };
  Squares squares;
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t end = std::min(i + formulas::kSumLength, n);
    Partial weights{}, updates{};
    for (; i + kLine<Real> <= end; i += kLine<Real>) {
      fetch_ahead(i, sum, weight, exp_avg, exp_avg_sq);
      for (std::int64_t k = 0; k < kLine<Real>; ++k) direct(i + k);
      add_squares<kLine<Real>>(weight + i, weights);
      add_squares<kLine<Real>>(sum + i, updates);
    }
    for (; i + kWays <= end; i += kWays) {
      for (std::int64_t k = 0; k < kWays; ++k) direct(i + k);
      add_squares<kWays>(weight + i, weights);
      add_squares<kWays>(sum + i, updates);
    }
    Squares rest;
    for (; i < end; ++i) {
      direct(i);
      rest.first += formulas::square(weight[i]);
      rest.second += formulas::square(sum[i]);
    }
    squares.first += total(weights) + rest.first;
    squares.second += total(updates) + rest.second;
  }
  return squares;
}

template <class Real>
void apply_update(double rate, std::int64_t n, const Real* __restrict update, Real* __restrict weight) {
  const auto r = static_cast<Real>(rate);
  std::int64_t i = 0;
  for (; i + kLine<Real> <= n; i += kLine<Real>) {
    fetch_ahead(i, update, weight);
    for (std::int64_t k = i; k < i + kLine<Real>; ++k) weight[k] -= r * update[k];
  }
  for (; i < n; ++i) weight[i] -= r * update[i];
}

template <class Real>
void move_towards(double share, std::int64_t n, const Real* __restrict weight, Real* __restrict average) {
  const auto s = static_cast<Real>(share);
  for (std::int64_t i = 0; i < n; ++i) formulas::move_towards(s, weight[i], average[i]);
}

template <class Real>
void follow(double share, double scale, std::int64_t n, const Real* __restrict sum, Real* __restrict weight) {
  const auto s = static_cast<Real>(share), of_sum = static_cast<Real>(scale);
  for (std::int64_t i = 0; i < n; ++i) formulas::move_towards(s, of_sum * sum[i], weight[i]);
}

template <class Real>
constexpr UpdateKernels<Real> kKernels{sum_of_squares<Real>, adamw_update<Real>, sgd_update<Real>,
                                       clamp<Real>,          multiply<Real>,     lamb_direction<Real>,
                                       apply_update<Real>,   move_towards<Real>, follow<Real>};

}  // namespace

const UpdateKernelsTable VITRAIL_ISA::kUpdateKernels{kKernels<float>, kKernels<double>};

}  // namespace vitrail::sharding
