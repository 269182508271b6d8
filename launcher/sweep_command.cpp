#include <deque>

#include <nlohmann/json.hpp>

#include "launcher/child_process.hpp"
#include "launcher/option_value.hpp"
#include "launcher/run_commands.hpp"
#include "launcher/sweep_results.hpp"
#include "launcher/sweep_space.hpp"
#include "trainer/base/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kScript = "slurm/sweep.sh";

void tell(const std::string& text) { std::fputs(fmt::format("vitrail sweep: {}\n", text).c_str(), stderr); }

std::vector<TaskResult> results_of(const Sweep& sweep) {
  std::vector<TaskResult> results;
  for (const SweepRun& run : sweep.runs) results.push_back(read_result(run));
  return results;
}

std::vector<std::size_t> unfinished(const std::vector<TaskResult>& results) {
  std::vector<std::size_t> tasks;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].state != TaskState::finished) tasks.push_back(i);
  }
  return tasks;
}

ExitCode show_results(const CommandLine& line, const Sweep& sweep) {
  const auto results = results_of(sweep);
  const SweepMetric metric = line.flags.metric;
  fmt::print("{}", line.flags.format == OutputFormat::json ? results_json(sweep, results, metric)
                                                           : results_text(sweep, results, metric));
  return ExitCode::done;
}

// And refuses what `sweep run` would refuse.
ExitCode show_plan(const CommandLine& line, const Sweep& sweep) {
  for (const SweepRun& run : sweep.runs) check_unchanged(run);
  const SweepSpace space = space_of(sweep, results_of(sweep), line.flags.quota_gib);
  if (line.flags.format == OutputFormat::text) {
    for (const SweepRun& run : sweep.runs) fmt::print("{:>5}  {}\n", run.number, run.folder.string());
    fmt::print("{} tasks; {}\n", sweep.runs.size(), describe(space));
    check_space(sweep, space);
    return ExitCode::done;
  }
  Json tasks = Json::array();
  for (const SweepRun& run : sweep.runs) tasks.push_back(to_json(run));
  fmt::print(
      "{}\n",
      Json({{"tasks", tasks}, {"checkpoint_bytes", space.needed}, {"free_bytes", space.available}}).dump());
  check_space(sweep, space);
  return ExitCode::done;
}

std::vector<std::string> program_words(const SweepRun& run) {
  std::vector<std::string> words = {fs::read_symlink("/proc/self/exe").string()};
  words.insert(words.end(), run.words.begin(), run.words.end());
  return words;
}

const SweepRun& asked_task(const CommandLine& line, const Sweep& sweep) {
  const auto number = static_cast<std::size_t>(line.flags.task.value_or(0));
  if (line.flags.task && number < sweep.runs.size()) return sweep.runs[number];
  throw Error(ExitCode::usage, fmt::format("command line: --task: expected 0 to {}", sweep.runs.size() - 1));
}

// A task of an array: its exit status says what becomes of it.
ExitCode run_one(const CommandLine& line, const Sweep& sweep) {
  const SweepRun& run = asked_task(line, sweep);
  check_unchanged(run);
  if (read_result(run).state == TaskState::finished) {
    tell(fmt::format("task {} is finished: {}", run.number, run.folder.string()));
    return ExitCode::done;
  }
  tell(fmt::format("task {}: {}", run.number, run.folder.string()));
  make_directories(run.folder);
  keep_status(run, 0);
  const int status = run_child(program_words(run), say).status;
  if (status != 0 && status != static_cast<int>(ExitCode::saved)) keep_status(run, status);
  return static_cast<ExitCode>(status);
}

// Refuses what cannot end well before the first task begins.
std::vector<std::size_t> tasks_to_run(const CommandLine& line, const Sweep& sweep) {
  for (const SweepRun& run : sweep.runs) check_unchanged(run);
  const auto results = results_of(sweep);
  const SweepSpace space = space_of(sweep, results, line.flags.quota_gib);
  auto tasks = unfinished(results);
  tell(fmt::format("{} tasks, {} finished; {}", sweep.runs.size(), sweep.runs.size() - tasks.size(),
                   describe(space)));
  check_space(sweep, space);
  return tasks;
}

// Here, some at once. A task that saved and stopped (85) by itself was interrupted alone: it goes on, last.
ExitCode run_all(const CommandLine& line, const Sweep& sweep) {
  const auto tasks = tasks_to_run(line, sweep);
  std::deque<std::size_t> queue(tasks.begin(), tasks.end());
  std::vector<std::size_t> started;
  std::size_t left = tasks.size();
  int failure = 0;
  const auto next = [&]() -> std::optional<ChildJob> {
    if (queue.empty()) return std::nullopt;
    const SweepRun& run = sweep.runs[queue.front()];
    queue.pop_front();
    started.push_back(run.number);
    make_directories(run.folder);
    keep_status(run, 0);
    tell(fmt::format("task {} begins: {}", run.number, run.folder.string()));
    return ChildJob{program_words(run), run.launch_output()};
  };
  const auto ended = [&](std::size_t job, int status) {
    const SweepRun& run = sweep.runs[started[job]];
    if (status == 0) {
      tell(fmt::format("task {} is finished, {} to go", run.number, --left));
    } else if (status == static_cast<int>(ExitCode::saved)) {
      tell(fmt::format("task {} was interrupted and goes on later", run.number));
      queue.push_back(run.number);
    } else {
      tell(fmt::format("task {} ended with status {}: see {}", run.number, status,
                       run.launch_output().string()));
      keep_status(run, status);
      if (failure == 0) failure = status;
    }
  };
  const bool asked = run_children(static_cast<std::size_t>(line.flags.at_once), next, ended, say);
  show_results(line, sweep);
  if (failure != 0) return static_cast<ExitCode>(failure);
  return asked && left > 0 ? ExitCode::saved : ExitCode::done;
}

// A copy of the grid goes with the job: a task's number means the same for as long as the array lives.
ExitCode submit(const CommandLine& line, const Sweep& sweep) {
  if (!fs::exists(kScript)) {
    throw Error(ExitCode::usage, fmt::format("{}: not here", kScript),
                "submit from the folder that has it, the repository's root");
  }
  const auto tasks = tasks_to_run(line, sweep);
  if (tasks.empty()) {
    tell("nothing is left to run");
    return ExitCode::done;
  }
  make_directories(sweep.folder);
  const fs::path grid = sweep.folder / fmt::format("grid-{}.ini", hash_text(sweep.text).hex().substr(0, 8));
  write_text_atomically(grid, sweep.text);
  std::vector<std::string> words = {"sbatch",
                                    fmt::format("--array={}%{}", array_ranges(tasks), line.flags.at_once),
                                    fmt::format("--job-name={}", sweep.name)};
  const auto more = shell_words(line.flags.sbatch_args).value_or(std::vector<std::string>{});
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {kScript, grid.string(), "--output", sweep.folder.string()});
  words.insert(words.end(), line.launch_arguments.begin(), line.launch_arguments.end());
  return static_cast<ExitCode>(run_child(words, say).status);
}

}  // namespace

ExitCode run_sweep(const CommandLine& line) {
  const Sweep sweep = read_sweep(line);
  switch (line.sweep_action) {
    case SweepAction::plan:
      return show_plan(line, sweep);
    case SweepAction::run:
      return line.flags.task ? run_one(line, sweep) : run_all(line, sweep);
    case SweepAction::submit:
      return submit(line, sweep);
    case SweepAction::status:
      return show_results(line, sweep);
    case SweepAction::folder:
      fmt::print("{}\n", asked_task(line, sweep).folder.string());
      return ExitCode::done;
  }
  return ExitCode::usage;
}

}  // namespace vitrail::launcher
