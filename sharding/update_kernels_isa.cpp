// Compiled once per instruction set (CMakeLists.txt); every one gives the same bits: the operations are those
// of update_formulas.hpp, without contraction, and sums run in the order written there.
#include <algorithm>
#include <array>
#include <type_traits>

#include "sharding/update_formulas.hpp"
#include "sharding/update_kernels_table.hpp"

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

// `n` elements: a multiple of kWays.
template <class Real>
void add_squares(const Real* x, std::int64_t n, Partial& sums) {
  for (std::int64_t k = 0; k < n; k += kWays) {
    const auto values =
        __builtin_convertvector(*reinterpret_cast<const typename Eight<Real>::Values*>(x + k), Partial);
    sums += values * values;
  }
}

double total(const Partial& p) {
  return formulas::total_of_ways(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]);
}

// The sums of squares of kSums arrays of n elements. `before(i, count)` is called for elements
// [i, i + count) before they are read, with a count that is a constant.
template <class Real, std::size_t kSums, class Before>
std::array<double, kSums> sums_of_squares(std::int64_t n, const std::array<const Real*, kSums>& x,
                                          const Before& before) {
  std::array<double, kSums> sums{};
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t end = std::min(i + formulas::kSumLength, n);
    std::array<Partial, kSums> partial{};
    const auto take = [&](auto count) __attribute__((always_inline)) {
      for (; i + count <= end; i += count) {
        before(i, count);
        for (std::size_t s = 0; s < kSums; ++s) add_squares(x[s] + i, count, partial[s]);
      }
    };
    take(std::integral_constant<std::int64_t, kLine<Real>>{});
    if constexpr (kLine < Real >> kWays) take(std::integral_constant<std::int64_t, kWays>{});
    std::array<double, kSums> rest{};
    for (; i < end; ++i) {
      before(i, std::integral_constant<std::int64_t, 1>{});
      for (std::size_t s = 0; s < kSums; ++s) rest[s] += formulas::square(x[s][i]);
    }
    for (std::size_t s = 0; s < kSums; ++s) sums[s] += total(partial[s]) + rest[s];
  }
  return sums;
}

template <class Real>
double sum_of_squares(const Real* x, std::int64_t n) {
  return sums_of_squares<Real, 1>(n, {x}, [&](std::int64_t i, auto) { fetch_ahead(i, x); })[0];
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
  const auto sums = sums_of_squares<Real, 2>(
      n, {weight, sum}, [&](std::int64_t i, auto count) __attribute__((always_inline)) {
        if (count == kLine<Real>) fetch_ahead(i, sum, weight, exp_avg, exp_avg_sq);
        for (std::int64_t k = i; k < i + count; ++k) {
          formulas::lamb_direction(s, sum[k], weight[k], exp_avg[k], exp_avg_sq[k]);
        }
      });
  return {sums[0], sums[1]};
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
constexpr UpdateKernels<Real> kKernels{sum_of_squares<Real>, adamw_update<Real>, sgd_update<Real>,
                                       clamp<Real>,          multiply<Real>,     lamb_direction<Real>,
                                       apply_update<Real>,   move_towards<Real>};

}  // namespace

const UpdateKernelsTable VITRAIL_ISA::kUpdateKernels{kKernels<float>, kKernels<double>};

}  // namespace vitrail::sharding
