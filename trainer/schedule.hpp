// What changes over a run, as pure functions of the step: learning rate, weight decay, drop-path rate.
// With peak rate b, warm-up of W steps from w, T steps in all and m = min_lr, the rate at time t is
//   t < W:  w + t (b - w) / W       cosine:  m + (b - m) (1 + cos(pi t / T)) / 2      constant:  b
//                                   linear:  m + (b - m) (1 - t / T)                  step:  b r^floor(t / D)
// equal to timm's: warm-up does not shift the decay (unless warmup_prefix), and m is not clamped to b.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

// Steps of a run: run.steps, or run.epochs whole epochs.
std::int64_t total_steps(const RunConfig& run, std::int64_t steps_per_epoch);

// A duration of steps or epochs in steps; Error(refused) for a duration of time, naming `key`.
std::int64_t in_steps(const Duration& duration, std::int64_t steps_per_epoch, const char* key);

// Whether something that is to be done `every` so often is due after `step`; never by time or at step 0.
bool is_due(const Duration& every, std::int64_t step, std::int64_t steps_per_epoch, const char* key);

// optimizer.lr at the batch of this run, as schedule.scale_lr says.
double peak_lr(const Config& config);

class Schedule {
 public:
  Schedule(const Config& config, std::int64_t total_steps, std::int64_t steps_per_epoch);

  // Each of the update that finishes step + 1 steps.
  double lr(std::int64_t step) const;
  double weight_decay(std::int64_t step) const;  // cosine from optimizer.weight_decay to weight_decay_end
  double drop_path(std::int64_t step) const;     // straight from drop_path_start to model.drop_path
  double weight_decay_scale(std::int64_t step) const;  // over optimizer.weight_decay
  double drop_path_scale(std::int64_t step) const;     // over model.drop_path

  std::int64_t total_steps() const { return total_steps_; }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t warmup_steps() const { return warmup_steps_; }

 private:
  std::int64_t time_of(std::int64_t step) const;  // the step whose rate is used
  double share_done(std::int64_t step) const;

  ScheduleConfig config_;
  double peak_lr_, weight_decay_, drop_path_;
  std::int64_t total_steps_, steps_per_epoch_;
  std::int64_t warmup_steps_;
  std::int64_t decay_steps_;  // of schedule.name = step
};

// What of a schedule is easily overlooked, a sentence each, for the log of a run and for --print-schedule: a
// peak that is scaled by the batch, one that is below min_lr, a warm-up that does not end in the run.
std::vector<std::string> schedule_notes(const Config& config, const Schedule& schedule);

}  // namespace vitrail::trainer
