#include "sharding/plan/reducer_options.hpp"

#include <algorithm>

namespace vitrail::sharding {

std::int64_t widest_slice(const BucketPlan& plan, const ReducerOptions& options) {
  std::int64_t widest = 0;
  for (const Bucket& bucket : plan.buckets) {
    widest = std::max(widest, bucket.slice * static_cast<std::int64_t>(size_of(options.type_of(bucket))));
  }
  return widest;
}

ReducerOptions with_turns(ReducerOptions options, ExchangeRoute route) {
  if (route == ExchangeRoute::halving && !options.stage.frees_gradients) options.in_turn = 2;
  return options;
}

}  // namespace vitrail::sharding
