// The arithmetic of the optimizers on one run of elements, each in one pass. Real is float or double.
// Formulas: AdamW and SGD as torch.optim's; LAMB as apex FusedLAMB and timm Lamb (coupled decay, trust ratio
// only where weight decay is not zero). Sums of squares are doubles in a fixed order, so the same run gives
// the same bits.
#pragma once

#include <cstdint>

namespace vitrail::sharding {

// Scalars of one step, the same for every element of one parameter.
struct UpdateStep {
  double lr = 0;
  double beta1 = 0, beta2 = 0, eps = 0;
  double weight_decay = 0;
  double momentum = 0;  // sgd
  bool nesterov = false;
  double gradient_scale = 1;    // gradient = scale * sum
  double bias_correction1 = 1;  // 1 - beta1^t
  double bias_correction2 = 1;  // 1 - beta2^t
};

template <class Real>
double sum_of_squares(const Real* x, std::int64_t n);

template <class Real>
void adamw_update(const UpdateStep& step, std::int64_t n, const Real* sum, Real* weight, Real* exp_avg,
                  Real* exp_avg_sq);

template <class Real>
void sgd_update(const UpdateStep& step, std::int64_t n, const Real* sum, Real* weight, Real* momentum);

// Every element to [-limit, limit]; what is no number stays.
template <class Real>
void clamp(Real limit, std::int64_t n, Real* x);

template <class Real>
void multiply(double factor, std::int64_t n, Real* x);

// Two sums of squares of a run.
struct Squares {
  double first = 0, second = 0;
};

// First pass of LAMB: moments forward, `sum` is replaced by the update before the trust ratio. Squares of the
// weights and of their updates.
template <class Real>
Squares lamb_direction(const UpdateStep& step, std::int64_t n, Real* sum, const Real* weight, Real* exp_avg,
                       Real* exp_avg_sq);

// Second pass: weight -= rate * update.
template <class Real>
void apply_update(double rate, std::int64_t n, const Real* update, Real* weight);

// average += share * (weight - average), as torch's lerp computes it: from the nearer end.
template <class Real>
void move_towards(double share, std::int64_t n, const Real* weight, Real* average);

// weight += share * (scale * sum - weight), likewise.
template <class Real>
void follow(double share, double scale, std::int64_t n, const Real* sum, Real* weight);

}  // namespace vitrail::sharding
