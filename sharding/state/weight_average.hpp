// The exponential moving average of the weights, kept on lane slices like the weights themselves: no rank has
// all of it. Source: timm's ModelEmaV3 (warm-up with gamma 1 and power 2/3).
#pragma once

#include "sharding/sharding_config.hpp"
#include "sharding/state/lane_state.hpp"

namespace vitrail::sharding {

// The decay of the update that follows step `step` (1, 2, ...); 0 for the first: the average begins with its
// weights.
double average_decay(const EmaConfig& config, std::int64_t step);

void start_average(LaneState& state);                 // average = weights
void update_average(LaneState& state, double decay);  // average = decay * average + (1 - decay) * weights

}  // namespace vitrail::sharding
