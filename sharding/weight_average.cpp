#include "sharding/weight_average.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sharding/update_kernels.hpp"

namespace vitrail::sharding {

double average_decay(const EmaConfig& config, std::int64_t step) {
  if (step <= 1) return 0;
  if (!config.warmup) return config.decay;
  return std::min(config.decay, 1 - std::pow(static_cast<double>(step), -2.0 / 3.0));
}

void start_average(LaneState& state) {
  for (std::size_t b = 0; b < state.plan().buckets.size(); ++b) {
    const Buffer& weights = state.slices(StateKind::weight, b);
    std::memcpy(state.slices(StateKind::ema, b).data(), weights.data(),
                static_cast<std::size_t>(weights.elements()) * size_of(state.type()));
  }
}

void update_average(LaneState& state, double decay) {
  with_real(state.type(), [&](auto real) {
    using Real = decltype(real);
    for (std::size_t b = 0; b < state.plan().buckets.size(); ++b) {
      const auto weights = state.slices(StateKind::weight, b).template as<Real>();
      const auto average = state.slices(StateKind::ema, b).template as<Real>();
      move_towards(1 - decay, static_cast<std::int64_t>(weights.size()), weights.data(), average.data());
    }
  });
}

}  // namespace vitrail::sharding
