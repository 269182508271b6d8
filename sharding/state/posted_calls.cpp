#include "sharding/state/posted_calls.hpp"

namespace vitrail::sharding {

void PostedCalls::post(const Communicator::Calls& calls) {
  auto* const ended = &ended_.emplace_back();
  tickets_.push_back(communicator_.post(
      [&exchange = device_.exchange(), before = device_.compute().mark(), calls, ended](Communicator& c) {
        exchange.begin_after(*before);
        calls(c);
        *ended = exchange.mark();
      }));
}

void PostedCalls::compute_after(std::size_t call) {
  communicator_.wait_until_given(tickets_[call]);
  device_.compute().begin_after(*ended_[call]);
}

void PostedCalls::finish() {
  for (const auto ticket : tickets_) communicator_.wait(ticket);
  if (!ended_.empty()) device_.compute().begin_after(*ended_.back());
  tickets_.clear();
  ended_.clear();
}

}  // namespace vitrail::sharding
