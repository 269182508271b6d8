#include "sharding/plan/memory_plan.hpp"

#include <algorithm>

namespace vitrail::sharding {
namespace {

std::int64_t bytes_of(DataType type) { return static_cast<std::int64_t>(size_of(type)); }

struct OfSlice {  // bytes of a slice of all buckets, and of the widest
  std::int64_t weights = 0, masters = 0, sums = 0, widest_sum = 0;
};

OfSlice of_slice(const BucketPlan& plan, const ReducerOptions& settings, DataType compute) {
  OfSlice bytes;
  for (const Bucket& bucket : plan.buckets) {
    const std::int64_t sums = bucket.slice * bytes_of(settings.type_of(bucket));
    bytes.weights += bucket.slice * bytes_of(bucket.matrices ? compute : settings.type);
    bytes.masters += bucket.slice * bytes_of(settings.type);
    bytes.sums += sums;
    bytes.widest_sum = std::max(bytes.widest_sum, sums);
  }
  return bytes;
}

// Bytes of a slice of the buckets whose sums are widened for the update and so stand apart from the tree's.
std::int64_t apart_per_slice(const BucketPlan& plan, const ReducerOptions& settings,
                             const ShardLayout& layout) {
  const bool in_tree = !layout.stage.frees_gradients && !layout.shares_sums();
  std::int64_t bytes = 0;
  for (const Bucket& bucket : plan.buckets) {
    if (settings.type_of(bucket) != settings.type || !in_tree)
      bytes += bucket.slice * bytes_of(settings.type);
  }
  return bytes;
}

}  // namespace

MemoryPlan memory_plan(const BucketPlan& plan, const ExchangePlan& exchange, const ReducerOptions& settings,
                       const KeptWeights& kept) {
  const OfSlice slice = of_slice(plan, settings, kept.compute);
  const std::vector<std::int64_t> received = most_received(exchange);
  MemoryPlan most;
  for (int rank = 0; rank < exchange.world; ++rank) {
    const ShardLayout layout = layout_of(exchange, settings.stage, rank);
    const std::int64_t held = layout.held.count();
    MemoryPlan own;
    own.weights = kept.networks * slice.weights * plan.lanes;
    own.state = static_cast<std::int64_t>(kept.kinds) * slice.masters * held;
    own.gradients = apart_per_slice(plan, settings, layout) * held;
    if (layout.stage.frees_gradients) {
      const auto buckets = static_cast<std::int64_t>(std::min(plan.buckets.size(), kBucketsOfStage2));
      own.gradients += buckets * slice.widest_sum * plan.lanes;
    } else {
      own.full_sums = layout.full_sums;
      own.gradients += own.full_sums * slice.sums * plan.lanes;
    }
    const bool by_library = exchange.by_library() && exchange.world > 1;
    const auto in_turn = static_cast<std::int64_t>(settings.in_turn);
    own.exchange = slice.widest_sum *
                   (by_library ? layout.own.count() : in_turn * received[static_cast<std::size_t>(rank)]);
    if (own.total() > most.total()) most = own;
  }
  return most;
}

}  // namespace vitrail::sharding
