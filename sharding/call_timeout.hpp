// How long a call may wait for other ranks, and what it throws then: Error(watchdog).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {

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
            fmt::format("waited {:.0f} s in {} for ranks that did not come and reported nothing",
                        std::chrono::duration<double>(now_.load()).count(), call),
            "ranks that did not answer hang or are cut off; raise sharding.timeout or watchdog.step if they "
            "were only slow"};
  }

 private:
  std::chrono::milliseconds whole_;
  std::atomic<std::chrono::milliseconds> now_;
};

}  // namespace vitrail::sharding
