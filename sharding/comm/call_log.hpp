// Remembers the last calls of a communicator, so that a failure can say where each rank stood. Ranks number
// their calls alike: equal numbers are one call. Bytes: as in Call.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::sharding {

class CallLog final : public InterceptedCommunicator {
 public:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    std::uint64_t number = 0;  // from 1
    CallKind kind = CallKind::barrier;
    std::int64_t bytes = 0;
    Clock::time_point begin;
    Clock::time_point end;  // before `begin`: not done
    bool returns_early = false;
  };
  static constexpr std::size_t kKept = 64;

  using InterceptedCommunicator::InterceptedCommunicator;

  std::vector<Entry> last(std::size_t count) const;  // oldest first; at most kKept
  // The same for people, one line each: "#812 all_gather 24.0 MiB, done in 0.013 s".
  std::string describe_last(std::size_t count) const;

 protected:
  void around(const Call& call, const std::function<void()>& forward) override;

 private:
  mutable std::mutex mutex_;
  std::array<Entry, kKept> ring_;  // entry n at n % kKept
  std::uint64_t calls_ = 0;
};

}  // namespace vitrail::sharding
