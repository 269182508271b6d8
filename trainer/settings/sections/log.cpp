#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {

void add_log_settings(std::vector<Setting>& table) {
  const Section log(
      table, "log", [](auto& config) -> auto& { return config.log; });
  log.add("every", &LogConfig::every, Effect::place, {.help = "time between lines on the console"});
  log.add(
      "trace_step", &LogConfig::trace_step, Effect::place,
      {.help = "step whose course on all ranks is written to trace-step-N.json in the run's folder (Chrome "
               "trace format); 0: none",
       .bounds = from_to(0, 1e12),
       .unit = "steps"});
}

}  // namespace vitrail::trainer
