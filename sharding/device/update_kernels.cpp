#include "sharding/device/update_kernels.hpp"

#include <type_traits>

#include "sharding/device/update_kernels_table.hpp"

namespace vitrail::sharding {
namespace {

const UpdateKernelsTable& widest_table() {
  if (__builtin_cpu_supports("avx512f")) return avx512::kUpdateKernels;
  if (__builtin_cpu_supports("avx2")) return avx2::kUpdateKernels;
  return baseline::kUpdateKernels;
}

template <class Real>
const UpdateKernels<Real>& kernels() {
  static const UpdateKernelsTable& table = widest_table();
  if constexpr (std::is_same_v<Real, float>) {
    return table.single_precision;
  } else {
    return table.double_precision;
  }
}

}  // namespace

template <class Real>
double sum_of_squares(const Real* x, std::int64_t n) {
  return kernels<Real>().sum_of_squares(x, n);
}

template <class Real>
void adamw_update(const UpdateStep& step, std::int64_t n, const Real* sum, Real* weight, Real* exp_avg,
                  Real* exp_avg_sq) {
  kernels<Real>().adamw_update(step, n, sum, weight, exp_avg, exp_avg_sq);
}

template <class Real>
void sgd_update(const UpdateStep& step, std::int64_t n, const Real* sum, Real* weight, Real* momentum) {
  kernels<Real>().sgd_update(step, n, sum, weight, momentum);
}

template <class Real>
void clamp(Real limit, std::int64_t n, Real* x) {
  kernels<Real>().clamp(limit, n, x);
}

template <class Real>
void multiply(double factor, std::int64_t n, Real* x) {
  kernels<Real>().multiply(factor, n, x);
}

template <class Real>
Squares lamb_direction(const UpdateStep& step, std::int64_t n, Real* sum, const Real* weight, Real* exp_avg,
                       Real* exp_avg_sq) {
  return kernels<Real>().lamb_direction(step, n, sum, weight, exp_avg, exp_avg_sq);
}

template <class Real>
void apply_update(double rate, std::int64_t n, const Real* update, Real* weight) {
  kernels<Real>().apply_update(rate, n, update, weight);
}

template <class Real>
void move_towards(double share, std::int64_t n, const Real* weight, Real* average) {
  kernels<Real>().move_towards(share, n, weight, average);
}

template <class Real>
void follow(double share, double scale, std::int64_t n, const Real* sum, Real* weight) {
  kernels<Real>().follow(share, scale, n, sum, weight);
}

template double sum_of_squares<float>(const float*, std::int64_t);
template double sum_of_squares<double>(const double*, std::int64_t);
template void adamw_update<float>(const UpdateStep&, std::int64_t, const float*, float*, float*, float*);
template void adamw_update<double>(const UpdateStep&, std::int64_t, const double*, double*, double*, double*);
template void sgd_update<float>(const UpdateStep&, std::int64_t, const float*, float*, float*);
template void sgd_update<double>(const UpdateStep&, std::int64_t, const double*, double*, double*);
template void clamp<float>(float, std::int64_t, float*);
template void clamp<double>(double, std::int64_t, double*);
template void multiply<float>(double, std::int64_t, float*);
template void multiply<double>(double, std::int64_t, double*);
template Squares lamb_direction<float>(const UpdateStep&, std::int64_t, float*, const float*, float*, float*);
template Squares lamb_direction<double>(const UpdateStep&, std::int64_t, double*, const double*, double*,
                                        double*);
template void apply_update<float>(double, std::int64_t, const float*, float*);
template void apply_update<double>(double, std::int64_t, const double*, double*);
template void move_towards<float>(double, std::int64_t, const float*, float*);
template void move_towards<double>(double, std::int64_t, const double*, double*);
template void follow<float>(double, double, std::int64_t, const float*, float*);
template void follow<double>(double, double, std::int64_t, const double*, double*);

}  // namespace vitrail::sharding
