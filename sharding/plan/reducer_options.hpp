// In which types gradients are summed, and how many buckets are summed at once. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sharding/plan/bucket_plan.hpp"
#include "sharding/plan/exchange_plan.hpp"
#include "sharding/plan/shard_layout.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

// Stage 2: backward waits when so many buckets are on their way; the last two are the one being filled and
// the one of vectors, which every layer adds to.
inline constexpr std::size_t kBucketsInFlight = 3;
inline constexpr std::size_t kBucketsOfStage2 = kBucketsInFlight + 2;

struct ReducerOptions {
  DataType type = DataType::f32;         // of the sums that the update reads: f32 or f64
  DataType matrix_type = DataType::f32;  // in which matrices' gradients are kept, sent and rounded to
  Stage stage{};
  // Buckets whose rounds take turns, so that what came for one is added beside the call for another.
  std::size_t in_turn = 1;

  DataType type_of(const Bucket& bucket) const { return bucket.matrices ? matrix_type : type; }
};

// Bytes of one slice of the bucket whose sums are the widest.
std::int64_t widest_slice(const BucketPlan& plan, const ReducerOptions& options);

// On a device that adds beside calls: where a bucket has many, and not in stage 2, which holds too few
// buckets.
ReducerOptions with_turns(ReducerOptions options, ExchangeRoute route);

}  // namespace vitrail::sharding
