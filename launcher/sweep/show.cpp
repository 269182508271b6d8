#include <csignal>

#include <nlohmann/json.hpp>

#include "launcher/sweep/actions.hpp"
#include "launcher/sweep/space.hpp"
#include "launcher/sweep/table.hpp"

namespace vitrail::launcher {
// And refuses what `sweep run` would refuse.
ExitCode show_plan(const SweepFlags& flags, const Sweep& sweep) {
  for (const SweepRun& run : sweep.runs) check_unchanged(run);
  const SweepSpace space = space_of(sweep, results_of(sweep).tasks, flags.quota_gib);
  switch (flags.format) {
    case OutputFormat::text:
      for (const SweepRun& run : sweep.runs) fmt::print("{:>5}  {}\n", run.number, run.folder.string());
      fmt::print("{} tasks; {}\n", sweep.runs.size(), describe(space));
      break;
    case OutputFormat::csv:
      fmt::print("{}", plan_csv(sweep));
      break;
    case OutputFormat::json:
      nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
      for (const SweepRun& run : sweep.runs) tasks.push_back(to_json(run));
      const nlohmann::ordered_json plan = {
          {"tasks", tasks}, {"checkpoint_bytes", space.needed}, {"free_bytes", space.available}};
      fmt::print("{}\n", plan.dump());
      break;
  }
  check_space(sweep, space);
  return ExitCode::done;
}

// Nothing here is to be saved: a signal ends it.
ExitCode show_status(const SweepFlags& flags, const Sweep& sweep) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  if (flags.watch) {
    watch_sweep(flags, sweep);
  } else {
    show_results(flags, sweep, results_of(sweep));
  }
  return ExitCode::done;
}

void say_sweep(const std::string& text) {
  std::fputs(fmt::format("vitrail sweep: {}\n", text).c_str(), stderr);
}

SweepResults results_of(const Sweep& sweep) {
  SweepResults results = read_results(sweep);
  if (results.queue_silent)
    say_sweep("Slurm does not answer: what its queue holds of these tasks is not known");
  return results;
}

void show_results(const SweepFlags& flags, const Sweep& sweep, const SweepResults& results) {
  const auto show = flags.format == OutputFormat::json  ? results_json
                    : flags.format == OutputFormat::csv ? results_csv
                                                        : results_text;
  fmt::print("{}", show(sweep, results.tasks, flags.metric));
}

const SweepRun& asked_task(const SweepFlags& flags, const Sweep& sweep) {
  const auto number = static_cast<std::size_t>(flags.task.value_or(0));
  if (flags.task && number < sweep.runs.size()) return sweep.runs[number];
  throw Error(ExitCode::usage, fmt::format("command line: --task: expected 0 to {}", sweep.runs.size() - 1));
}

}  // namespace vitrail::launcher
