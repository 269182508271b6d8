// The update kernels of one instruction set; update_kernels.cpp takes the widest that the processor has.
#pragma once

#include "sharding/device/update_kernels.hpp"

namespace vitrail::sharding {

template <class Real>
struct UpdateKernels {
  double (*sum_of_squares)(const Real*, std::int64_t);
  void (*adamw_update)(const UpdateStep&, std::int64_t, const Real*, Real*, Real*, Real*);
  void (*sgd_update)(const UpdateStep&, std::int64_t, const Real*, Real*, Real*);
  void (*clamp)(Real, std::int64_t, Real*);
  void (*multiply)(double, std::int64_t, Real*);
  Squares (*lamb_direction)(const UpdateStep&, std::int64_t, Real*, const Real*, Real*, Real*);
  void (*apply_update)(double, std::int64_t, const Real*, Real*);
  void (*move_towards)(double, std::int64_t, const Real*, Real*);
  void (*follow)(double, double, std::int64_t, const Real*, Real*);
};

struct UpdateKernelsTable {
  UpdateKernels<float> single_precision;
  UpdateKernels<double> double_precision;
};

namespace baseline {
extern const UpdateKernelsTable kUpdateKernels;
}
namespace avx2 {
extern const UpdateKernelsTable kUpdateKernels;
}
namespace avx512 {
extern const UpdateKernelsTable kUpdateKernels;
}

}  // namespace vitrail::sharding
