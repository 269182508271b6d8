// A communicator that fails, delays or corrupts its n-th call of a kind, for tests of what follows.
#pragma once

#include <chrono>
#include <thread>

#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::tests {

struct Fault {
  enum class Effect { none, fail, delay, corrupt };
  Effect effect = Effect::none;
  sharding::CallKind kind = sharding::CallKind::barrier;
  int nth = 1;                              // call of that kind, from 1
  std::chrono::milliseconds duration{100};  // of a delay
};

class FaultyCommunicator final : public sharding::InterceptedCommunicator {
 public:
  FaultyCommunicator(sharding::Communicator& inner, const Fault& fault)
      : InterceptedCommunicator(inner), fault_(fault) {}

 protected:
  void around(const sharding::Call& call, const std::function<void()>& forward) override {
    const bool now = call.kind == fault_.kind && ++calls_ == fault_.nth;
    if (now && fault_.effect == Fault::Effect::fail) throw Error(ExitCode::io, "the network is gone");
    if (now && fault_.effect == Fault::Effect::delay) std::this_thread::sleep_for(fault_.duration);
    forward();
    if (now && fault_.effect == Fault::Effect::corrupt && !call.received.empty()) {
      call.received[call.received.size() / 2] ^= std::byte{1};
    }
  }

 private:
  Fault fault_;
  int calls_ = 0;
};

}  // namespace vitrail::tests
