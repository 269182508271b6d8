#include "sharding/state/parameter_gather.hpp"

namespace vitrail::sharding {

ParameterGather::ParameterGather(const BucketPlan& plan, const ExchangePlan& exchange, LaneRange held,
                                 Communicator& communicator, Device& device)
    : plan_(plan),
      complete_(held.count() == plan.lanes),
      together_(exchange.buckets_back()),
      gather_(exchange, communicator.rank()),
      call_(plan.buckets.size()),
      calls_(communicator, device) {}

void ParameterGather::start(const std::vector<BucketData>& buckets) {
  finish();
  if (complete_) return;
  for (const std::vector<std::size_t>& group : forward_order(plan_, together_)) {
    std::vector<GatherExecutor::Bucket> in_calls;
    for (const std::size_t b : group) {
      // A bucket ends with the call that begins the next ones, or with the last call, which begins none.
      call_[b] = calls_.size() + (gather_.is_pipelined() ? 1 : 0);
      in_calls.push_back({buckets[b].data, plan_.buckets[b].slice, buckets[b].type});
    }
    calls_.post([this, in_calls](Communicator& c) { gather_.begin(in_calls, c); });
  }
  if (gather_.is_pipelined()) calls_.post([this](Communicator& c) { gather_.finish(c); });
}

void ParameterGather::compute_after(std::size_t bucket) {
  if (calls_.size() > 0) calls_.compute_after(call_[bucket]);
}

void ParameterGather::finish() { calls_.finish(); }

}  // namespace vitrail::sharding
