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
  const std::vector<std::size_t> order = forward_order(plan_);
  std::vector<Communicator::Ticket> calls;
  for (const std::size_t b : order) {
    calls.push_back(communicator_.post([this, b, own_are_there, bucket = buckets[b]](Communicator& c) {
      own_are_there();
      gather_.begin({bucket.data, plan_.buckets[b].slice, bucket.type}, c);
    }));
  }
  // A bucket ends with the call that begins the next one, or with the last call, which begins none.
  if (gather_.is_pipelined())
    calls.push_back(communicator_.post([this](Communicator& c) { gather_.finish(c); }));
  tickets_.resize(buckets.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    tickets_[order[i]] = calls[i + (gather_.is_pipelined() ? 1 : 0)];
}

void ParameterGather::wait_for(std::size_t bucket) {
  if (!tickets_.empty()) communicator_.wait(tickets_[bucket]);
}

void ParameterGather::finish() {
  for (const auto ticket : tickets_) communicator_.wait(ticket);
  tickets_.clear();
}

}  // namespace vitrail::sharding
