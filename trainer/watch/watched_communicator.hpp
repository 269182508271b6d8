// A communicator that tells the phase log while the training thread waits in a call: that is the doing of
// other ranks, during which this rank is not timed out by the watchdog.
#pragma once

#include "sharding/comm/intercepted_communicator.hpp"
#include "trainer/watch/phase.hpp"

namespace vitrail::trainer {

class WatchedCommunicator final : public sharding::InterceptedCommunicator {
 public:
  WatchedCommunicator(sharding::Communicator& inner, PhaseLog& phases)
      : InterceptedCommunicator(inner), phases_(phases) {}

  Ticket post(const Calls& calls) override {
    const PhaseLog::Wait waiting(phases_);  // without a queue the calls are made here
    return inner().post(calls);
  }
  void wait(Ticket ticket) override {
    const PhaseLog::Wait waiting(phases_);
    inner().wait(ticket);
  }

 protected:
  void around(const sharding::Call&, const std::function<void()>& forward) override {
    const PhaseLog::Wait waiting(phases_);
    forward();
  }

 private:
  PhaseLog& phases_;
};

}  // namespace vitrail::trainer
