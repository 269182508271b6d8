// Dynamic loss scaling as a pure value: the loss is multiplied by `scale` before backward, so that small fp16
// gradients do not vanish; a step whose gradient overflowed changes no weight and lowers the scale, a row of
// good ones raises it. All ranks decide alike, because all know the same gradient norm.
// Source: torch.amp.GradScaler, with a floor.
#pragma once

#include <cstdint>

#include "sharding/sharding_config.hpp"

namespace vitrail::sharding {

struct LossScale {
  double scale = 1;
  std::int64_t good_steps = 0;        // since the scale was last changed or a step was skipped
  std::int64_t skipped = 0;           // steps skipped so far
  std::int64_t skipped_at_floor = 0;  // the last so many steps were, and the scale could go no lower

  bool operator==(const LossScale&) const = default;
};

// The scale after a step with a finite gradient, or with another.
LossScale after_step(LossScale before, const LossScaleConfig& config, bool finite);

// So many skipped steps in a row at the lowest scale are no accident of scaling.
constexpr std::int64_t kHopelessSkips = 20;
inline bool is_hopeless(const LossScale& s) { return s.skipped_at_floor >= kHopelessSkips; }

}  // namespace vitrail::sharding
