#include "sharding/plan/memory_plan.hpp"

#include <algorithm>

namespace vitrail::sharding {
namespace {

std::int64_t bytes_of(DataType type) { return static_cast<std::int64_t>(size_of(type)); }

struct OfLane {  // bytes of a lane's slices over all buckets, and of the widest
  std::int64_t weights = 0, masters = 0, sums = 0, widest_sum = 0;
};

OfLane of_lane(const BucketPlan& plan, const ReducerOptions& settings, DataType compute) {
  OfLane bytes;
  for (const Bucket& bucket : plan.buckets) {
    const std::int64_t sums = bucket.slice * bytes_of(settings.type_of(bucket));
    bytes.weights += bucket.slice * bytes_of(bucket.matrices ? compute : settings.type);
    bytes.masters += bucket.slice * bytes_of(settings.type);
    bytes.sums += sums;
    bytes.widest_sum = std::max(bytes.widest_sum, sums);
  }
  return bytes;
}

// Slices of the buckets whose sums are widened for the update and so stand apart from the tree's.
std::int64_t apart_per_lane(const BucketPlan& plan, const ReducerOptions& settings, int world) {
  std::int64_t bytes = 0;
  for (const Bucket& bucket : plan.buckets) {
    const bool in_tree = settings.stage == 1 || (settings.stage == 0 && world == 1);
    if (settings.type_of(bucket) != settings.type || !in_tree)
      bytes += bucket.slice * bytes_of(settings.type);
  }
  return bytes;
}

}  // namespace

MemoryPlan memory_plan(const BucketPlan& plan, const ReducerOptions& settings, DataType compute,
                       std::size_t kinds, int world) {
  const OfLane lane = of_lane(plan, settings, compute);
  MemoryPlan most;
  std::size_t rounds = 0;
  for (int rank = 0; rank < world; ++rank) {
    rounds = std::max(rounds, aligned_blocks(lanes_of_rank(plan.lanes, world, rank)).size());
  }
  for (int rank = 0; rank < world; ++rank) {
    const LaneRange lanes = lanes_of_rank(plan.lanes, world, rank);
    const std::int64_t held = settings.stage == 0 ? plan.lanes : lanes.count();
    const auto blocks = aligned_blocks(lanes);
    MemoryPlan own;
    for (const LaneRange& block : blocks) own.full_sums += tree_levels(block);
    own.weights = lane.weights * plan.lanes;
    own.state = static_cast<std::int64_t>(kinds) * lane.masters * held;
    own.gradients = own.full_sums * lane.sums * plan.lanes + apart_per_lane(plan, settings, world) * held;
    if (settings.stage == 2) {
      const auto buckets = static_cast<std::int64_t>(std::min(plan.buckets.size(), kBucketsOfStage2));
      own.full_sums = 0;
      own.gradients = buckets * lane.widest_sum * plan.lanes + apart_per_lane(plan, settings, world) * held;
    }
    if (world > 1) {
      const std::int64_t chunks = settings.fast ? 1 : world * static_cast<std::int64_t>(rounds);
      own.exchange = lane.widest_sum * lanes.count() * chunks;
    }
    if (own.total() > most.total()) most = own;
  }
  return most;
}

}  // namespace vitrail::sharding
