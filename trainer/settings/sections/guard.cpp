#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

SettingCondition with_guard() {
  return {"guard.loss_factor", "a guard.loss_factor above 0",
          [](const Config& config) { return config.guard.loss_factor > 0; }};
}

}  // namespace

void add_guard_settings(std::vector<Setting>& table) {
  const Section guard(
      table, "guard", [](auto& config) -> auto& { return config.guard; });
  guard.add("loss_factor", &GuardConfig::loss_factor, Effect::result,
            {.help = "a step is bad where its loss is above that many times the median of the last 100, or "
                     "not finite; 0: no step is",
             .bounds = from_to(0, 1e6)});
  guard.add("patience", &GuardConfig::patience, Effect::result,
            {.help = "after so many bad steps in a row the run goes back to its last checkpoint and leaves "
                     "the batches since then out",
             .bounds = from_to(1, 1e6),
             .unit = "steps",
             .when = {with_guard()}});
  guard.add("skip", &GuardConfig::skip, Effect::result,
            {.help = "further batches to skip after going back",
             .bounds = from_to(0, 1e9),
             .unit = "batches",
             .when = {with_guard()}});
}

}  // namespace vitrail::trainer
