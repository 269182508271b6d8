#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {

void add_watchdog_settings(std::vector<Setting>& table) {
  const Section watchdog(
      table, "watchdog", [](auto& config) -> auto& { return config.watchdog; });
  watchdog.add(
      "step", &WatchdogConfig::step, Effect::place,
      {.help = "longest stay of a rank in one phase of a step, or ten times the median step; then it "
               "shows its stacks and ends (exit status 86); 0s: no limit"},
      {"a time: 30s, 10min, 2h", is_time});
  watchdog.add("other", &WatchdogConfig::other, Effect::place,
               {.help = "the same for start, first step, loading, saving and evaluation"},
               {"a time: 30s, 10min, 2h", is_time});
  watchdog.add(
      "slow", &WatchdogConfig::slow, Effect::place,
      {.help = "a rank is named where its own work takes that many times the others' median; 0: none "
               "is",
       .bounds = from_to(0, 1000)});
}

}  // namespace vitrail::trainer
