// How far the tasks of a sweep are, and what came out: read from the runs' folders, at any time. Nothing else
// is kept of a sweep. Throws: Error(io); Error(bad_data) for metrics that nobody wrote so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "launcher/sweep_runs.hpp"

namespace vitrail::launcher {

enum class TaskState { waiting, begun, finished, failed };

struct TaskResult {
  TaskState state = TaskState::waiting;
  std::int64_t step = 0;  // of the last line of the metrics
  double epoch = 0;
  std::optional<double> loss;                   // of training, mean of the last 20 steps
  std::optional<double> eval_loss, top1, top5;  // of the last evaluation
  bool diverged = false;                        // one of those losses is no number; then there is no mean
  int status = 0;                               // failed: of its last `vitrail launch`
  std::filesystem::path log = {};               // failed: what that printed; empty: only its job's log has it
};

nlohmann::ordered_json to_json(const SweepRun& run);  // {task, name, folder, settings}

TaskResult read_result(const SweepRun& run);

// Kept in the task's folder, so that a failed one is told from one that waits; 0 forgets it.
void keep_status(const SweepRun& run, int status);

// Best first; diverged tasks and those without that number last, in their own order.
std::vector<std::size_t> ranking(const std::vector<TaskResult>& results, SweepMetric metric);

// Rows in the order of ranking().
std::string results_text(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric);
// [{task, name, folder, settings, state, step, epoch, loss, diverged, eval_loss, top1, top5, status, log}]
std::string results_json(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric);

}  // namespace vitrail::launcher
