// Watches from a thread of its own how long this rank stays in one phase. Past the limit it says where: the
// phase, and the stack of every thread; then `on_timeout` is called, which is to end the process. What a rank
// waits for in a call of the communicator is not its own doing: these calls have limits of their own,
// somewhat longer, so that the rank that hangs is the first to report.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "trainer/settings/config.hpp"
#include "trainer/watch/phase.hpp"

namespace vitrail::trainer {

class Watchdog {
 public:
  using Clock = PhaseLog::Clock;
  using OnTimeout = std::function<void(const std::string& why)>;

  // `self`: how this rank is named in the report.
  Watchdog(const PhaseLog& phases, const WatchdogConfig& config, std::string self, OnTimeout on_timeout);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void step_took(Clock::duration time);
  // The longest wait for other ranks in a call of a step; 0: not known yet, or no limit.
  std::chrono::milliseconds longest_wait() const;

 private:
  void watch(const std::stop_token& stop);
  // Why it is time for on_timeout; empty: all is well. `resumed`: when this process last went on after a
  // pause.
  std::string overdue(PhaseLog::Track track, Clock::time_point resumed) const;
  Clock::duration limit_of(Phase phase) const;  // zero: none
  Clock::duration typical_step() const;         // zero: not known yet
  Clock::duration step_limit(Clock::duration typical) const;

  const PhaseLog& phases_;
  const WatchdogConfig config_;
  const std::string self_;
  const OnTimeout on_timeout_;
  mutable std::mutex mutex_;  // guards steps_
  std::deque<Clock::duration> steps_;
  std::jthread thread_;  // last: uses the rest
};

}  // namespace vitrail::trainer
