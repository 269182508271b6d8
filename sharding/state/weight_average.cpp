#include "sharding/state/weight_average.hpp"

#include <algorithm>
#include <cmath>

namespace vitrail::sharding {

double average_decay(const EmaConfig& config, std::int64_t step) {
  if (step <= 1) return 0;
  if (!config.warmup) return config.decay;
  return std::min(config.decay, 1 - std::pow(static_cast<double>(step), -2.0 / 3.0));
}

void start_average(LaneState& state) {
  for (std::size_t b = 0; b < state.plan().buckets.size(); ++b) {
    const Buffer& weights = state.slices(StateKind::weight, b);
    state.device().compute().copy(weights.data(),
                                  static_cast<std::size_t>(weights.elements()) * size_of(state.type()),
                                  state.slices(StateKind::ema, b).data());
  }
}

void update_average(LaneState& state, double decay) {
  UpdateList& all = state.averaged();
  all.scalars.front().factor = 1 - decay;
  state.device().compute().update(UpdateKernel::move_average, state.type(), all, {});
}

}  // namespace vitrail::sharding
