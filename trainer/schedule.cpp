#include "trainer/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {

namespace {

// Lengths of more steps than anyone will see are mistyped ones.
std::int64_t steps_of_epochs(std::int64_t epochs, std::int64_t steps_per_epoch, const char* key) {
  std::int64_t steps = 0;
  if (!__builtin_mul_overflow(epochs, steps_per_epoch, &steps)) return steps;
  throw Error(
      ExitCode::refused,
      fmt::format("{} = {}ep: at {} steps an epoch that is too many to count", key, epochs, steps_per_epoch),
      "give a length that a run can reach");
}

// Of 1, what a cosine has left after a share of its way.
double cosine_left(double done) { return 0.5 * (1 + std::cos(std::numbers::pi * done)); }

}  // namespace

std::int64_t total_steps(const RunConfig& run, std::int64_t steps_per_epoch) {
  return run.steps > 0 ? run.steps : steps_of_epochs(run.epochs, steps_per_epoch, "run.epochs");
}

bool is_due(const Duration& every, std::int64_t step, std::int64_t steps_per_epoch, const char* key) {
  if (every.count == 0 || every.unit == Duration::Unit::seconds || step == 0) return false;
  return step % in_steps(every, steps_per_epoch, key) == 0;
}

std::int64_t in_steps(const Duration& duration, std::int64_t steps_per_epoch, const char* key) {
  switch (duration.unit) {
    case Duration::Unit::steps:
      return duration.count;
    case Duration::Unit::epochs:
      return steps_of_epochs(duration.count, steps_per_epoch, key);
    case Duration::Unit::seconds:
      break;
  }
  throw Error(ExitCode::refused,
              fmt::format("{} = {}: a schedule cannot depend on the clock", key, format(duration)),
              "give it in epochs (5ep) or steps (1000st)");
}

double peak_lr(const Config& config) {
  const auto batches =
      static_cast<double>(config.data.global_batch_size) / static_cast<double>(config.schedule.base_batch);
  switch (config.schedule.scale_lr) {
    case LrScaling::off:
      break;
    case LrScaling::linear:
      return config.optimizer.lr * batches;
    case LrScaling::sqrt:
      return config.optimizer.lr * std::sqrt(batches);
  }
  return config.optimizer.lr;
}

Schedule::Schedule(const Config& config, std::int64_t total_steps, std::int64_t steps_per_epoch)
    : config_(config.schedule),
      peak_lr_(peak_lr(config)),
      weight_decay_(config.optimizer.weight_decay),
      drop_path_(config.model.drop_path),
      total_steps_(total_steps),
      steps_per_epoch_(steps_per_epoch),
      warmup_steps_(in_steps(config_.warmup, steps_per_epoch, "schedule.warmup")),
      decay_steps_(config_.name == ScheduleName::step
                       ? in_steps(config_.decay_every, steps_per_epoch, "schedule.decay_every")
                       : 0) {}

// DeiT's script sets the rate after epoch e to that of time e, for epoch e + 1; its first epoch has that of
// time 0, too.
std::int64_t Schedule::time_of(std::int64_t step) const {
  const std::int64_t epoch = step / steps_per_epoch_;
  switch (config_.per_epoch) {
    case EpochStepping::off:
      break;
    case EpochStepping::timm:
      return epoch * steps_per_epoch_;
    case EpochStepping::deit:
      return std::max<std::int64_t>(epoch - 1, 0) * steps_per_epoch_;
  }
  return step;
}

double Schedule::lr(std::int64_t step) const {
  const std::int64_t t = time_of(step);
  if (t < warmup_steps_) {
    return config_.warmup_lr + static_cast<double>(t) * (peak_lr_ - config_.warmup_lr) /
                                   static_cast<double>(config_.warmup_to_peak
                                                           ? std::max<std::int64_t>(warmup_steps_ - 1, 1)
                                                           : warmup_steps_);
  }
  const std::int64_t begin = config_.warmup_prefix ? warmup_steps_ : 0;
  if (config_.name == ScheduleName::constant) return peak_lr_;
  if (config_.name == ScheduleName::step) {
    const std::int64_t decays = (t - begin) / decay_steps_;
    return peak_lr_ * std::pow(config_.decay_rate, static_cast<double>(decays));
  }
  if (t >= total_steps_) return config_.min_lr;
  const double done = static_cast<double>(t - begin) / static_cast<double>(total_steps_ - begin);
  const double left = config_.name == ScheduleName::linear ? 1 - done : cosine_left(done);
  return config_.min_lr + (peak_lr_ - config_.min_lr) * left;
}

double Schedule::share_done(std::int64_t step) const {
  return std::min(1.0, static_cast<double>(time_of(step)) / static_cast<double>(total_steps_));
}

double Schedule::weight_decay(std::int64_t step) const {
  if (!config_.weight_decay_end) return weight_decay_;
  const double end = *config_.weight_decay_end;
  return weight_decay_ + (end - weight_decay_) * (1 - cosine_left(share_done(step)));
}

double Schedule::drop_path(std::int64_t step) const {
  if (!config_.drop_path_start) return drop_path_;
  const double start = *config_.drop_path_start;
  return start + (drop_path_ - start) * share_done(step);
}

double Schedule::weight_decay_scale(std::int64_t step) const {
  return config_.weight_decay_end ? weight_decay(step) / weight_decay_ : 1.0;
}

double Schedule::drop_path_scale(std::int64_t step) const {
  return config_.drop_path_start ? drop_path(step) / drop_path_ : 1.0;
}

std::vector<std::string> schedule_notes(const Config& config, const Schedule& schedule) {
  const ScheduleConfig& s = config.schedule;
  const double peak = peak_lr(config);
  std::vector<std::string> notes;
  if (s.scale_lr != LrScaling::off) {
    const bool linear = s.scale_lr == LrScaling::linear;
    notes.push_back(fmt::format("peak rate {} = optimizer.lr {} x {}({} / {} images)", peak,
                                config.optimizer.lr, linear ? "" : "sqrt", config.data.global_batch_size,
                                s.base_batch));
  }
  const bool has_end = s.name == ScheduleName::cosine || s.name == ScheduleName::linear;
  if (has_end && s.min_lr > peak) {
    notes.push_back(
        fmt::format("warning: schedule.min_lr = {} is above the peak learning rate {}: the rate "
                    "rises towards it instead of falling, as in timm",
                    s.min_lr, peak));
  }
  if (schedule.warmup_steps() > 0 && s.warmup_lr > peak) {
    notes.push_back(
        fmt::format("warning: schedule.warmup_lr = {} is above the peak learning rate {}: the rate falls "
                    "during the warm-up instead of rising",
                    s.warmup_lr, peak));
  }
  if (schedule.warmup_steps() > 0 && schedule.warmup_steps() >= schedule.total_steps()) {
    notes.push_back(fmt::format(
        "warning: schedule.warmup = {} is {} steps and the run has {}: the learning rate never reaches its "
        "peak {}, the last step has {:.3g}; shorten schedule.warmup or lengthen the run",
        vitrail::format(s.warmup), schedule.warmup_steps(), schedule.total_steps(), peak,
        schedule.lr(schedule.total_steps() - 1)));
  }
  return notes;
}

}  // namespace vitrail::trainer
