#include "sharding/state/parameter_gather.hpp"

namespace vitrail::sharding {

ParameterGather::ParameterGather(const BucketPlan& plan, const ExchangePlan& exchange, LaneRange held,
                                 Communicator& communicator, Device& device)
    : plan_(plan),
      complete_(held.count() == plan.lanes),
      gather_(exchange, communicator.rank()),
      call_(plan.buckets.size()),
      calls_(communicator, device) {}

void ParameterGather::start(const std::vector<BucketData>& buckets) {
  finish();
  if (complete_) return;
  for (const std::size_t b : forward_order(plan_)) {
    // A bucket ends with the call that begins the next one, or with the last call, which begins none.
    call_[b] = calls_.size() + (gather_.is_pipelined() ? 1 : 0);
    calls_.post([this, b, bucket = buckets[b]](Communicator& c) {
      gather_.begin({bucket.data, plan_.buckets[b].slice, bucket.type}, c);
    });
  }
  if (gather_.is_pipelined()) calls_.post([this](Communicator& c) { gather_.finish(c); });
}

void ParameterGather::compute_after(std::size_t bucket) {
  if (calls_.size() > 0) calls_.compute_after(call_[bucket]);
}

void ParameterGather::finish() { calls_.finish(); }

}  // namespace vitrail::sharding
