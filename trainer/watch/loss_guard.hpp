// Tells a loss that has run away from one that jumps: bad is a step whose loss is not finite, or above a
// factor times the median of the last 100 good ones. A pure function of the losses, so all ranks agree.
#pragma once

#include <cstdint>
#include <deque>

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

class LossGuard {
 public:
  static constexpr std::size_t kWindow = 100;
  static constexpr std::size_t kFewest = 10;  // good losses before a finite one is called bad

  explicit LossGuard(const GuardConfig& config) : config_(config) {}

  void look_at(double loss, double grad_norm);  // of a step
  void begin_again() { bad_ = 0; }              // from before the bad steps; what was normal still is
  bool is_bad() const { return bad_ > 0; }      // the last step
  bool has_diverged() const { return bad_ > 0 && bad_ >= config_.patience; }
  double median() const;  // of the good ones it remembers; 0: none

 private:
  GuardConfig config_;
  std::deque<double> good_;
  std::int64_t bad_ = 0;  // in a row
};

}  // namespace vitrail::trainer
