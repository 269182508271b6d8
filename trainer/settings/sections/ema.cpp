#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace sharding;

SettingCondition with_average() {
  return {"ema.decay", "an ema.decay above 0", [](const Config& config) { return config.ema.decay > 0; }};
}

}  // namespace

void add_ema_settings(std::vector<Setting>& table) {
  const Section ema(
      table, "ema", [](auto& config) -> auto& { return config.ema; });
  ema.add("decay", &EmaConfig::decay, Effect::identity,
          {.help = "of an average of the weights, kept beside them; 0: none", .bounds = from_below(0, 1)});
  ema.add("warmup", &EmaConfig::warmup, Effect::identity,
          {.help = "shorter memory at first: decay at most 1 - step^(-2/3)", .when = {with_average()}});
}

}  // namespace vitrail::trainer
