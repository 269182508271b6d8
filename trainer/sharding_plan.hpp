// How a configuration shards a model: the buckets of its parameters, and the sums of gradients that a rank
// holds. For a run, and for the plan of one.
#pragma once

#include <string>
#include <vector>

#include "models/model.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/plan/exchange_plan.hpp"
#include "sharding/plan/reducer_options.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

std::int64_t bucket_mib_of(const Config& config);
sharding::BucketPlan bucket_plan(const Config& config, const std::vector<models::ParameterSpec>& parameters);

// Throws: Error(refused) where there are fewer groups of lanes (model.batch_norm_lanes) than ranks.
void check_groups(const Config& config, std::int64_t ranks);

// Throws: Error(refused) where so many ranks cannot have the lanes as sharding.stage wants them.
sharding::ReducerOptions gradient_settings(const Config& config, int ranks);
// `widest_slice`: bytes. Throws: Error(refused) where so many ranks cannot have the lanes as
// sharding.reduction wants them, and where it leaves sharding.exchange no choice.
sharding::ExchangePlan exchange_plan(const Config& config, const sharding::Topology& topology,
                                     std::int64_t widest_slice);
// A line for the start of a run: the plan, and what a step sends inside nodes and across. `settings`: of the
// sums; `compute`: type of the matrices.
std::string describe_exchange(const sharding::ExchangePlan& exchange, const sharding::BucketPlan& buckets,
                              const sharding::Topology& topology, const sharding::ReducerOptions& settings,
                              DataType compute);

// Sets of weights that every rank computes with: the student's, and their average's where that teaches or is
// evaluated.
int count_networks(const Config& config);

}  // namespace vitrail::trainer
