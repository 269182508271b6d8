// How far the tasks of a sweep are, and what came out: read from the runs' folders and Slurm's queue, at any
// time. Throws: Error(io); Error(bad_data) for metrics that nobody wrote so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launcher/sweep/queue.hpp"
#include "launcher/sweep/runs.hpp"
#include "trainer/checkpoint/run_owner.hpp"

namespace vitrail::launcher {

// preempted: interrupted in whatever way, and the same command or its job goes on with it.
enum class TaskState { waiting, running, preempted, finished, failed, diverged };

struct TaskResult {
  TaskState state = TaskState::waiting;
  std::int64_t step = 0;  // of the last line of the metrics
  double epoch = 0;
  std::optional<double> loss;                   // of training, mean of the last 20 steps
  std::optional<double> eval_loss, top1, top5;  // of the last evaluation
  bool diverged = false;                        // or one of those losses is no number; then there is no mean
  int status = 0;                               // failed, diverged: of its last `vitrail launch`
  std::filesystem::path log = {};               // then: what that printed; empty: only its job's log has it
  std::int64_t steps = 0, epochs = 0;           // planned, by the run's own settings; 0 and 0: not begun
  std::int64_t attempts = 0;                    // how often it was begun or gone on with
  std::string job = {}, node = {};              // running, or waiting in the queue; a job is "12_3"
  std::optional<double> images_per_s = {};      // running: mean of the last 20 steps
  std::optional<double> seconds_left = {};      // running: at the pace of these, without evaluations
  bool queued = false;                          // it waits in Slurm's queue

  bool is_over() const {
    return state == TaskState::finished || state == TaskState::failed || state == TaskState::diverged;
  }
};

std::string name_of(TaskState state);

// What is known beside the run's own folder.
struct Outside {
  bool queue_answered = false;
  std::optional<QueueEntry> by_job, by_task;  // of the owner's job; of an array that has the task
};
TaskResult read_result(const SweepRun& run, const Outside& outside = {});

struct SweepResults {
  std::vector<TaskResult> tasks;
  bool queue_silent = false;  // Slurm was asked and did not answer
};
SweepResults read_results(const Sweep& sweep);

// A living attempt that is not of `own_job`, as far as this machine can tell; empty: none.
std::string owned_elsewhere(const SweepRun& run, const std::string& own_job);

// Kept in the task's folder, so that a failed one is told from one that waits; 0 forgets it.
void keep_status(const SweepRun& run, int status);
// Beside it when a task begins: its job, and the file that gets what it prints.
void keep_start(const SweepRun& run, const std::string& job, const std::filesystem::path& log);

// Best first; those without that number come after them, diverged tasks last, each in their own order.
std::vector<std::size_t> ranking(const std::vector<TaskResult>& results, SweepMetric metric);

}  // namespace vitrail::launcher
