// After the update every rank has new values for its own slices: gathers the others' into the flat
// buckets, in the order in which a forward pass needs them, while it goes on. Throws: PeerFailure.
#pragma once

#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/device.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/state/exchange_executor.hpp"
#include "sharding/state/posted_calls.hpp"

namespace vitrail::sharding {

// A whole bucket in the type that the model computes with.
struct BucketData {
  std::byte* data = nullptr;
  DataType type = DataType::f32;
};

class ParameterGather {
 public:
  // `held`: the slices that this rank updates; where these are all, there is nothing to gather.
  ParameterGather(const BucketPlan& plan, const ExchangePlan& exchange, LaneRange held,
                  Communicator& communicator, Device& device);
  // `buckets[b]` is bucket b, padding included, in the device's memory; this rank's slices are already in
  // place. Nobody may write to them, nor read one that was not asked for, until finish().
  void start(const std::vector<BucketData>& buckets);
  // What Device::compute() is given from now on finds the bucket complete.
  void compute_after(std::size_t bucket);
  // All of them are complete, and nothing of this rank waits for others.
  void finish();

 private:
  const BucketPlan& plan_;
  bool complete_;         // this rank has all slices
  std::size_t together_;  // buckets of a call
  GatherExecutor gather_;
  std::vector<std::size_t> call_;  // by bucket, that completes it
  PostedCalls calls_;              // last: they use the rest
};

}  // namespace vitrail::sharding
