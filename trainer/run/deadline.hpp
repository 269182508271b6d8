// The end of a job's time limit: whether there is time for another step and two saves (the one under way and
// the last one) before run.stop_before begins.
#pragma once

#include <chrono>
#include <optional>

#include "trainer/base/text/duration.hpp"

namespace vitrail::trainer {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  // `job_ends` absent, or `margin` zero: never.
  Deadline(std::optional<Clock::time_point> job_ends, const Duration& margin);

  bool has_come(Clock::time_point now, double step_seconds, double save_seconds) const;

 private:
  std::optional<Clock::time_point> latest_;  // at which a step may begin that takes no time
};

}  // namespace vitrail::trainer
