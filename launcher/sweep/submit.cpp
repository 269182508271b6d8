#include <algorithm>

#include "launcher/options/shell_words.hpp"
#include "launcher/submit/sbatch.hpp"
#include "launcher/sweep/actions.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScript = "slurm/sweep.sh";

std::vector<std::size_t> without_queued(const std::vector<TaskResult>& results,
                                        std::vector<std::size_t> tasks) {
  std::erase_if(tasks, [&](std::size_t task) {
    if (results[task].queued)
      say_sweep(fmt::format("task {} waits already, as job {}: it is left to that", task, results[task].job));
    return results[task].queued;
  });
  return tasks;
}

// A task of the array leaves a diverged one alone. The tasks that are such no more.
std::vector<std::size_t> forget_diverged(const Sweep& sweep, std::vector<std::size_t> tasks) {
  std::erase_if(tasks,
                [&](std::size_t task) { return read_result(sweep.runs[task]).state != TaskState::diverged; });
  for (const std::size_t task : tasks) keep_status(sweep.runs[task], 0);
  return tasks;
}

}  // namespace

// Copies of the grid and of the settings go with the job: a task's number means the same, and the task too,
// for as long as the array lives.
ExitCode submit_sweep(const SweepFlags& flags, Sweep& sweep) {
  if (!fs::exists(kScript)) {
    throw Error(ExitCode::usage, fmt::format("{}: not here", kScript),
                "submit from the folder that has it, the repository's root");
  }
  // One look at the queue for all: a task that begins between two would be neither queued nor running.
  const std::vector<TaskResult> results = results_of(sweep).tasks;
  const auto tasks = without_queued(results, tasks_to_run(flags, sweep, results));
  if (tasks.empty()) {
    say_sweep("nothing is left to submit");
    return ExitCode::done;
  }
  const fs::path logs = sweep.folder / "logs";
  make_directories(logs);
  const fs::path grid = sweep.folder / fmt::format("grid-{}.ini", hash_text(sweep.text).hex().substr(0, 8));
  write_text_atomically(grid, sweep.text);
  freeze(sweep);
  std::vector<std::string> words = {"sbatch",
                                    fmt::format("--array={}%{}", array_ranges(tasks), flags.at_once),
                                    fmt::format("--job-name={}", sweep.name),
                                    fmt::format("--output={}/%A_%a.log", without_patterns(logs.string()))};
  const auto more = shell_words(flags.sbatch_args).value_or(std::vector<std::string>{});
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {kScript, grid.string(), "--output", sweep.folder.string()});
  words.insert(words.end(), sweep.launch_words.begin(), sweep.launch_words.end());
  const auto diverged = forget_diverged(sweep, tasks);
  const Submitted array = submit_job(words);
  fmt::print("{}", array.said);
  if (!array.job.empty()) {
    note_array(sweep, array.job, tasks);
  } else {
    for (const std::size_t task : diverged)
      keep_status(sweep.runs[task], static_cast<int>(ExitCode::diverged));
  }
  return static_cast<ExitCode>(array.status);
}

}  // namespace vitrail::launcher
