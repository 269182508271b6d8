// After the update every rank has new values for its own slices: gathers the others' into the flat
// buckets, in the order in which a forward pass needs them, while it goes on. Throws: PeerFailure.
#pragma once

#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/device.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/state/exchange_executor.hpp"

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
  ~ParameterGather() { communicator_.settle(tickets_); }
  ParameterGather(const ParameterGather&) = delete;
  ParameterGather& operator=(const ParameterGather&) = delete;

  // `buckets[b]` is bucket b, padding included, in the device's memory; this rank's slices are already in
  // place. Nobody may write to them, nor read one that was not waited for, until finish().
  void start(const std::vector<BucketData>& buckets);
  void wait_for(std::size_t bucket);
  void finish();

 private:
  const BucketPlan& plan_;
  Communicator& communicator_;
  Device& device_;
  bool complete_;  // this rank has all slices
  GatherExecutor gather_;
  std::vector<Communicator::Ticket> tickets_;  // by bucket, of the gather under way
};

}  // namespace vitrail::sharding
