#include "sharding/state/loss_scale.hpp"

#include <algorithm>

namespace vitrail::sharding {

LossScale after_step(LossScale s, const LossScaleConfig& config, bool finite) {
  constexpr double kLowest = 1, kHighest = 4294967296.0;
  if (finite) {
    s.skipped_at_floor = 0;
    if (config.window > 0 && ++s.good_steps >= config.window) {
      s.scale = std::min(s.scale * 2, kHighest);
      s.good_steps = 0;
    }
    return s;
  }
  ++s.skipped;
  s.good_steps = 0;
  s.skipped_at_floor = s.scale > kLowest ? 0 : s.skipped_at_floor + 1;
  s.scale = std::max(s.scale / 2, kLowest);
  return s;
}

}  // namespace vitrail::sharding
