// Other plans than the one that was asked for: the same run on other ranks and with other batches, and what
// would make one fit. Pure; throws as cluster_plan.hpp does.
#pragma once

#include <string>
#include <vector>

#include "launcher/plan/cluster_plan.hpp"

namespace vitrail::launcher {

// Lanes of as many images as before; more and smaller ones where there are more ranks than lanes.
PlanInput scaled(PlanInput in, std::int64_t ranks, std::int64_t batch);

// At 1, 2, 4, ... ranks, up to `most` and to where a lane would have no image, or none to mix with.
std::vector<PlanInput> at_powers_of_two(const PlanInput& in, std::int64_t batch, std::int64_t most);

// The most of such ranks that fit and wait for each other in at most `share` of their time; 0: none.
std::int64_t most_ranks(const PlanInput& in, std::int64_t batch, double share);

// The smallest change of the settings or of the number of ranks that lets a plan fit, those first that change
// no result; empty: none does.
std::string smallest_change(const PlanInput& in);

struct Remedy {
  std::string change;
  double hours = 0, gpu_hours = 0, exposed_share = 0;
};

// What costs fewer device hours, by what limits the run: the three best that fit and save at least a
// hundredth, the best first. `now`: plan_cluster(in).
std::vector<Remedy> best_remedies(const PlanInput& in, const ClusterPlan& now);

}  // namespace vitrail::launcher
