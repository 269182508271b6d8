// What finished steps leave behind: each a line of metrics.jsonl, and now and then one in the log. Of rank 0.
// Throws: Error(io); Error(refused) once a later attempt has taken the run over.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "trainer/base/log.hpp"
#include "trainer/base/text/duration.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/checkpoint/run_owner.hpp"
#include "trainer/metrics.hpp"

namespace vitrail::trainer {

class MetricsLogger {
 public:
  struct Length {
    std::int64_t total_steps = 0, steps_per_epoch = 1;
    std::int64_t first_step = 0;  // finished before this attempt
  };

  // Keeps the first `bytes` of the run's metrics. `every`: between lines in the log, by the clock or by
  // steps.
  MetricsLogger(const RunDirectory& directory, std::uint64_t bytes, const RunOwner& owner, Log& log,
                const Duration& every, const Length& length);

  void record(const StepMetrics& metrics);
  void append(const std::string& line);  // of anything but a step
  MetricsFile& file() { return file_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool is_time(std::int64_t step) const;

  MetricsFile file_;
  const RunOwner& owner_;
  Log& log_;
  const Duration every_;
  const Length length_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point said_ = began_;
};

std::string describe(const StepMetrics& metrics, std::int64_t total_steps, double seconds_left);

}  // namespace vitrail::trainer
