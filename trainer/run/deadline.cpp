#include "trainer/run/deadline.hpp"

namespace vitrail::trainer {

Deadline::Deadline(std::optional<Clock::time_point> job_ends, const Duration& margin) {
  if (job_ends && margin.count > 0) latest_ = *job_ends - std::chrono::seconds(margin.count);
}

bool Deadline::has_come(Clock::time_point now, double step_seconds, double save_seconds) const {
  return latest_ && now + std::chrono::duration<double>(step_seconds + 2 * save_seconds) >= *latest_;
}

}  // namespace vitrail::trainer
