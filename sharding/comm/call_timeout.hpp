// How long a call may wait for other ranks, and what it throws then: Error(watchdog).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {

// How long a call has waited, asked many times a second. What passes while nobody asks is not waiting: then
// the whole process was suspended, as Slurm's gang scheduling does, and so were the others.
class WaitedTime {
 public:
  std::chrono::steady_clock::duration so_far() {
    const auto now = std::chrono::steady_clock::now();
    waited_ += std::min<std::chrono::steady_clock::duration>(now - asked_, std::chrono::seconds(1));
    asked_ = now;
    return waited_;
  }

 private:
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration waited_{};
};

// Set by one thread, looked at by another.
class CallTimeout {
 public:
  explicit CallTimeout(std::chrono::milliseconds whole) : whole_(whole), now_(whole) {}  // 0: no limit

  // At most the whole; 0: the whole again.
  void limit(std::chrono::milliseconds longest) {
    const auto none = std::chrono::milliseconds::zero();
    now_ = longest == none ? whole_ : whole_ == none ? longest : std::min(longest, whole_);
  }
  bool is_over(std::chrono::steady_clock::duration waited) const {
    const std::chrono::milliseconds limit = now_;
    return limit.count() > 0 && waited > limit;
  }
  Error nobody_came(const std::string& call) const {
    return {ExitCode::watchdog,
            fmt::format("timed out in {} after {:.0f} s: another rank stopped responding", call,
                        std::chrono::duration<double>(now_.load()).count()),
            "a rank that stopped responding hangs or is cut off; if it was only slow, raise sharding.timeout "
            "or watchdog.step"};
  }

 private:
  std::chrono::milliseconds whole_;
  std::atomic<std::chrono::milliseconds> now_;
};

}  // namespace vitrail::sharding
