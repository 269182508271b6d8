#include "trainer/schedule.hpp"

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

}  // namespace

std::int64_t total_steps(const RunConfig& run, std::int64_t steps_per_epoch) {
  return run.steps > 0 ? run.steps : steps_of_epochs(run.epochs, steps_per_epoch, "run.epochs");
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

Schedule::Schedule(const ScheduleConfig& config, double base_lr, std::int64_t total_steps,
                   std::int64_t steps_per_epoch)
    : config_(config),
      base_lr_(base_lr),
      total_steps_(total_steps),
      warmup_steps_(in_steps(config.warmup, steps_per_epoch, "schedule.warmup")) {}

double Schedule::lr(std::int64_t step) const {
  const auto t = static_cast<double>(step);
  if (step < warmup_steps_) {
    return config_.warmup_lr + t * (base_lr_ - config_.warmup_lr) / static_cast<double>(warmup_steps_);
  }
  if (config_.name == ScheduleName::constant) return base_lr_;
  if (step >= total_steps_) return config_.min_lr;
  const double done = t / static_cast<double>(total_steps_);
  return config_.min_lr + 0.5 * (base_lr_ - config_.min_lr) * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace vitrail::trainer
