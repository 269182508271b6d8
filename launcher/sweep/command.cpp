#include <csignal>

#include <nlohmann/json.hpp>

#include "launcher/commands/run_commands.hpp"
#include "launcher/sweep/actions.hpp"
#include "launcher/sweep/space.hpp"
#include "launcher/sweep/table.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

// And refuses what `sweep run` would refuse.
ExitCode show_plan(const CommandLine& line, const Sweep& sweep) {
  for (const SweepRun& run : sweep.runs) check_unchanged(run);
  const SweepSpace space = space_of(sweep, results_of(sweep).tasks, line.flags.quota_gib);
  switch (line.flags.format) {
    case OutputFormat::text:
      for (const SweepRun& run : sweep.runs) fmt::print("{:>5}  {}\n", run.number, run.folder.string());
      fmt::print("{} tasks; {}\n", sweep.runs.size(), describe(space));
      break;
    case OutputFormat::csv:
      fmt::print("{}", plan_csv(sweep));
      break;
    case OutputFormat::json:
      Json tasks = Json::array();
      for (const SweepRun& run : sweep.runs) tasks.push_back(to_json(run));
      const Json plan = {
          {"tasks", tasks}, {"checkpoint_bytes", space.needed}, {"free_bytes", space.available}};
      fmt::print("{}\n", plan.dump());
      break;
  }
  check_space(sweep, space);
  return ExitCode::done;
}

// Nothing here is to be saved: a signal ends it.
ExitCode show_status(const CommandLine& line, const Sweep& sweep) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  if (line.flags.watch) {
    watch_sweep(line, sweep);
  } else {
    show_results(line, sweep, results_of(sweep));
  }
  return ExitCode::done;
}

}  // namespace

void say_sweep(const std::string& text) {
  std::fputs(fmt::format("vitrail sweep: {}\n", text).c_str(), stderr);
}

SweepResults results_of(const Sweep& sweep) {
  SweepResults results = read_results(sweep);
  if (results.queue_silent)
    say_sweep("Slurm does not answer: what its queue holds of these tasks is not known");
  return results;
}

void show_results(const CommandLine& line, const Sweep& sweep, const SweepResults& results) {
  const auto show = line.flags.format == OutputFormat::json  ? results_json
                    : line.flags.format == OutputFormat::csv ? results_csv
                                                             : results_text;
  fmt::print("{}", show(sweep, results.tasks, line.flags.metric));
}

const SweepRun& asked_task(const CommandLine& line, const Sweep& sweep) {
  const auto number = static_cast<std::size_t>(line.flags.task.value_or(0));
  if (line.flags.task && number < sweep.runs.size()) return sweep.runs[number];
  throw Error(ExitCode::usage, fmt::format("command line: --task: expected 0 to {}", sweep.runs.size() - 1));
}

ExitCode run_sweep(const CommandLine& line, const Environment& environment) {
  Sweep sweep = read_sweep(line);
  if (!sweep.notice.empty()) say_sweep(sweep.notice);
  switch (line.sweep_action) {
    case SweepAction::plan:
      return show_plan(line, sweep);
    case SweepAction::run:
      return line.flags.task ? run_task(line, environment, sweep) : run_tasks(line, sweep);
    case SweepAction::submit:
      return submit_sweep(line, sweep);
    case SweepAction::status:
      return show_status(line, sweep);
    case SweepAction::folder:
      fmt::print("{}\n", asked_task(line, sweep).folder.string());
      return ExitCode::done;
  }
  return ExitCode::usage;
}

}  // namespace vitrail::launcher
