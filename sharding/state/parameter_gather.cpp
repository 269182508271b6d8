#include "sharding/state/parameter_gather.hpp"

namespace vitrail::sharding {

ParameterGather::ParameterGather(const BucketPlan& plan, const ExchangePlan& exchange, LaneRange held,
                                 Communicator& communicator, Device& device)
    : plan_(plan),
      communicator_(communicator),
      device_(device),
      complete_(held.count() == plan.lanes),
      gather_(exchange, communicator.rank()) {}

void ParameterGather::start(const std::vector<BucketData>& buckets) {
  finish();
  if (complete_) return;
  const auto own_are_there = device_.compute().mark();
  tickets_.resize(buckets.size());
  // The first bucket is used in every layer; matrices lie in the reverse order of their use.
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const std::size_t b = i == 0 ? 0 : buckets.size() - i;
    tickets_[b] = communicator_.post([this, b, own_are_there, bucket = buckets[b]](Communicator& c) {
      own_are_there();
      gather_.run(bucket.data, plan_.buckets[b].slice, bucket.type, c);
    });
  }
}

void ParameterGather::wait_for(std::size_t bucket) {
  if (!tickets_.empty()) communicator_.wait(tickets_[bucket]);
}

void ParameterGather::finish() {
  for (const auto ticket : tickets_) communicator_.wait(ticket);
  tickets_.clear();
}

}  // namespace vitrail::sharding
