#include "sharding/state/posted_calls.hpp"

namespace vitrail::sharding {

void PostedCalls::post(const Communicator::Calls& calls) {
  Ended* const ended = &ended_.emplace_back();
  tickets_.push_back(communicator_.post(
      [&device = device_, before = device_.compute().mark(), calls, ended](Communicator& c) {
        device.exchange().begin_after(*before);
        device.sums().begin_after(*before);
        calls(c);
        *ended = {device.exchange().mark(), device.sums().mark()};
      }));
}

void PostedCalls::compute_after(std::size_t call) {
  communicator_.wait_until_given(tickets_[call]);
  compute_after(ended_[call]);
}

void PostedCalls::compute_after(const Ended& ended) {
  device_.compute().begin_after(*ended.calls);
  device_.compute().begin_after(*ended.sums);
}

void PostedCalls::finish() {
  for (const auto ticket : tickets_) communicator_.wait(ticket);
  if (!ended_.empty()) compute_after(ended_.back());
  tickets_.clear();
  ended_.clear();
}

}  // namespace vitrail::sharding
