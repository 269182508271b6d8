#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace sharding;

SettingCondition with_average() {
  return {"ema.decay", "an ema.decay above 0", [](const Config& config) { return config.ema.decay > 0; }};
}

// The task's own average is the teacher.
SettingCondition without_teacher() {
  return {"task.name", "a task.name without a teacher of its own",
          [](const Config& config) { return !has_teacher(config); }};
}

}  // namespace

void add_ema_settings(std::vector<Setting>& table) {
  const Section ema(
      table, "ema", [](auto& config) -> auto& { return config.ema; });
  ema.add("decay", &EmaConfig::decay, Effect::identity,
          {.help = "of an average of the weights, kept beside them; 0: none",
           .bounds = from_below(0, 1),
           .when = {without_teacher()}});
  ema.add("warmup", &EmaConfig::warmup, Effect::identity,
          {.help = "shorter memory at first: decay at most 1 - step^(-2/3)",
           .when = {without_teacher(), with_average()}});
}

}  // namespace vitrail::trainer
