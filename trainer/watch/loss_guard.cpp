#include "trainer/watch/loss_guard.hpp"

#include <cmath>
#include <vector>

#include "trainer/base/median.hpp"

namespace vitrail::trainer {

double LossGuard::median() const {
  if (good_.empty()) return 0;
  return upper_median(std::vector<double>(good_.begin(), good_.end()));
}

void LossGuard::look_at(double loss, double grad_norm) {
  if (config_.loss_factor == 0) return;
  const bool finite = std::isfinite(loss) && std::isfinite(grad_norm);
  if (finite && (good_.size() < kFewest || loss <= config_.loss_factor * median())) {
    bad_ = 0;
    good_.push_back(loss);
    if (good_.size() > kWindow) good_.pop_front();
  } else {
    ++bad_;
  }
}

}  // namespace vitrail::trainer
