#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {

void add_log_settings(std::vector<Setting>& table) {
  const Section log(
      table, "log", [](auto& config) -> auto& { return config.log; });
  log.add("every", &LogConfig::every, Effect::place, {.help = "time between lines on the console"});
  log.add(
      "trace_step", &LogConfig::trace_step, Effect::place,
      {.help = "step whose course on all ranks is written to trace-step-00000020.json in the run's folder "
               "(Chrome trace format); 0: none",
       .bounds = from_to(0, 1e12),
       .unit = "steps"});
  const SettingCondition traced{"log.trace_step", "log.trace_step > 0",
                                [](const Config& config) { return config.log.trace_step > 0; }};
  log.add("trace_steps", &LogConfig::trace_steps, Effect::place,
          {.help = "how many steps are in that file, in a row",
           .bounds = from_to(1, 100),
           .unit = "steps",
           .when = {traced}});
  log.add(
      "trace_operators", &LogConfig::trace_operators, Effect::place,
      {.help = "also LibTorch's operators and, of a GPU, kernels and copies, by LibTorch's profiler, which "
               "slows these steps down",
       .when = {traced}});
}

}  // namespace vitrail::trainer
