#include <algorithm>
#include <deque>
#include <system_error>

#include <unistd.h>

#include "launcher/ranks/child_process.hpp"
#include "launcher/sweep/actions.hpp"
#include "launcher/sweep/space.hpp"
#include "launcher/sweep/table.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

constexpr int kSaved = static_cast<int>(ExitCode::saved);
constexpr int kRefused = static_cast<int>(ExitCode::refused);
constexpr int kDiverged = static_cast<int>(ExitCode::diverged);

std::vector<std::string> program_words(const SweepRun& run) {
  std::vector<std::string> words = {fs::read_symlink("/proc/self/exe").string()};
  words.insert(words.end(), run.words.begin(), run.words.end());
  return words;
}

// The file that our standard output is: a job's log. Empty: it is none.
fs::path file_of_output() {
  std::error_code none;
  const fs::path path = fs::read_symlink("/proc/self/fd/1", none);
  return fs::is_regular_file(path, none) ? path : fs::path();
}

std::string job_of(const Environment& environment) {
  if (!environment.slurm) return "";
  const SlurmJob& job = *environment.slurm;
  return job.array_job_id.empty() ? job.id : job.array_job_id + "_" + job.array_task_id;
}

// Tasks here, some at once. One that saved and stopped (85) by itself was interrupted alone: it goes on,
// last.
class LocalTasks {
 public:
  LocalTasks(const Sweep& sweep, const std::vector<std::size_t>& tasks, bool retry_diverged)
      : sweep_(sweep),
        queue_(tasks.begin(), tasks.end()),
        left_(tasks.size()),
        retry_diverged_(retry_diverged) {}

  int failure() const { return failure_; }  // status of the first that failed; 0: none

  std::optional<ChildJob> next() {
    while (!queue_.empty()) {
      const SweepRun& run = sweep_.runs[queue_.front()];
      queue_.pop_front();
      if (is_taken(run)) continue;
      started_.push_back(run.number);
      make_directories(run.folder);
      keep_start(run, "", run.launch_output());
      say_sweep(fmt::format("task {} begins: {}", run.number, run.folder.string()));
      return ChildJob{program_words(run), run.launch_output()};
    }
    return std::nullopt;
  }

  void ended(std::size_t job, int status) {
    const SweepRun& run = sweep_.runs[started_[job]];
    const std::string owner = status == kRefused ? owned_elsewhere(run, "") : "";
    if (status == 0) {
      say_sweep(fmt::format("task {} is finished, {} to go", run.number, --left_));
    } else if (status == kSaved) {
      say_sweep(fmt::format("task {} was interrupted and goes on later", run.number));
      queue_.push_back(run.number);
    } else if (!owner.empty()) {
      say_sweep(fmt::format("task {} runs already: {}", run.number, owner));
    } else if (status == kDiverged) {
      say_sweep(fmt::format("task {} diverged: see {}", run.number, run.launch_output().string()));
      keep_status(run, status);
    } else {
      say_sweep(fmt::format("task {} ended with status {}: see {}", run.number, status,
                            run.launch_output().string()));
      keep_status(run, status);
      if (failure_ == 0) failure_ = status;
    }
  }

 private:
  // By another `sweep run`, since we looked.
  bool is_taken(const SweepRun& run) const {
    const std::string owner = owned_elsewhere(run, "");
    if (!owner.empty()) say_sweep(fmt::format("task {} runs already: {}", run.number, owner));
    const TaskState state = read_result(run).state;
    return !owner.empty() || state == TaskState::finished ||
           (state == TaskState::diverged && !retry_diverged_);
  }

  const Sweep& sweep_;
  std::deque<std::size_t> queue_;
  std::vector<std::size_t> started_;
  std::size_t left_;
  bool retry_diverged_;
  int failure_ = 0;
};

}  // namespace

std::vector<std::size_t> tasks_to_run(const SweepFlags& flags, const Sweep& sweep,
                                      const std::vector<TaskResult>& results) {
  for (const SweepRun& run : sweep.runs) check_unchanged(run);
  const SweepSpace space = space_of(sweep, results, flags.quota_gib);
  say_sweep(fmt::format("{}; {}", summary(results), describe(space)));
  check_space(sweep, space);
  std::vector<std::size_t> tasks;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const TaskResult& result = results[i];
    if (result.state == TaskState::finished) continue;
    if (result.state == TaskState::running) {
      const std::string where = result.job.empty() ? "on " + result.node : "in job " + result.job;
      say_sweep(fmt::format("task {} runs already, {}: it is left to that", i, where));
    } else if (result.state == TaskState::diverged && !flags.retry_diverged) {
      say_sweep(fmt::format("task {} diverged and is left alone; --retry-diverged runs it again", i));
    } else {
      tasks.push_back(i);
    }
  }
  return tasks;
}

ExitCode run_tasks(const SweepFlags& flags, Sweep& sweep) {
  const auto tasks = tasks_to_run(flags, sweep, results_of(sweep).tasks);
  freeze(sweep);
  LocalTasks local(sweep, tasks, flags.retry_diverged);
  run_children(
      static_cast<std::size_t>(flags.at_once), [&] { return local.next(); },
      [&](std::size_t job, int status) { local.ended(job, status); }, say_sweep);
  const SweepResults results = results_of(sweep);
  show_results(flags, sweep, results);
  if (local.failure() != 0) return static_cast<ExitCode>(local.failure());
  if (!std::ranges::all_of(results.tasks, &TaskResult::is_over)) return ExitCode::saved;
  const bool diverged = std::ranges::any_of(
      results.tasks, [](const TaskResult& result) { return result.state == TaskState::diverged; });
  return diverged ? ExitCode::diverged : ExitCode::done;
}

// A task of an array: its exit status says what becomes of it. What it does not do again, it says, with the
// status of then.
ExitCode run_task(const SweepFlags& flags, const Environment& environment, Sweep& sweep) {
  const SweepRun& run = asked_task(flags, sweep);
  // A job that comes back goes on with what it had begun.
  if (!environment.slurm || environment.slurm->restart_count == 0) check_unchanged(run);
  const TaskResult result = read_result(run);
  if (result.state == TaskState::finished) {
    say_sweep(fmt::format("task {} is finished: {}", run.number, run.folder.string()));
    return ExitCode::done;
  }
  if (result.state == TaskState::diverged && !flags.retry_diverged) {
    say_sweep(
        fmt::format("task {} diverged: {}; --retry-diverged runs it again", run.number, run.folder.string()));
    return ExitCode::diverged;
  }
  say_sweep(fmt::format("task {}: {}", run.number, run.folder.string()));
  freeze(sweep);
  make_directories(run.folder);
  keep_start(run, job_of(environment), file_of_output());
  const int status = run_child(program_words(run), say_sweep).status;
  const std::string own_job = environment.slurm ? environment.slurm->id : "";
  const std::string owner = status == kRefused ? owned_elsewhere(run, own_job) : "";
  if (!owner.empty()) {
    say_sweep(fmt::format("task {} runs already: {}", run.number, owner));
  } else if (status != 0 && status != kSaved) {
    keep_status(run, status);
  }
  return static_cast<ExitCode>(status);
}

}  // namespace vitrail::launcher
