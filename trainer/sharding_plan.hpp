// How a configuration shards a model: the buckets of its parameters, and the sums of gradients that a rank
// holds. For a run, and for the plan of one.
#pragma once

#include <vector>

#include "models/model.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

sharding::BucketPlan bucket_plan(const Config& config, const std::vector<models::ParameterSpec>& parameters);

// Throws: Error(refused) where so many ranks cannot have the lanes as sharding.stage wants them.
sharding::ReducerOptions gradient_settings(const Config& config, int ranks);
// Throws: Error(refused) where so many ranks cannot have the lanes as sharding.reduction wants them.
sharding::ExchangePlan exchange_plan(const Config& config, const sharding::Topology& topology);

// Sets of weights that every rank computes with: the student's, and their average's where that is evaluated.
int count_networks(const Config& config);

}  // namespace vitrail::trainer
