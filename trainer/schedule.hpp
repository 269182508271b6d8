// Learning rate as a pure function of the step. With base lr b, warm-up of W steps from w, T steps in all:
//   t < W:  w + t (b - w) / W        else cosine:  m + (b - m) (1 + cos(pi t / T)) / 2      constant:  b
// Warm-up does not shift the cosine, and m is not clamped to b: both as timm's CosineLRScheduler.
#pragma once

#include <cstdint>

#include "trainer/config.hpp"

namespace vitrail::trainer {

// Steps of a run: run.steps, or run.epochs whole epochs.
std::int64_t total_steps(const RunConfig& run, std::int64_t steps_per_epoch);

// A duration of steps or epochs in steps; Error(refused) for a duration of time, naming `key`.
std::int64_t in_steps(const Duration& duration, std::int64_t steps_per_epoch, const char* key);

class Schedule {
 public:
  Schedule(const ScheduleConfig& config, double base_lr, std::int64_t total_steps,
           std::int64_t steps_per_epoch);

  double lr(std::int64_t step) const;  // of the update that finishes step + 1 steps

 private:
  ScheduleConfig config_;
  double base_lr_;
  std::int64_t total_steps_;
  std::int64_t warmup_steps_;
};

}  // namespace vitrail::trainer
