// A sweep's tasks and results as a table for people, as JSON and as CSV; pure functions.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "launcher/sweep/results.hpp"

namespace vitrail::launcher {

nlohmann::ordered_json to_json(const SweepRun& run);  // {task, name, folder, settings}

// Rows in the order of ranking(); under it a line for each task that failed or diverged.
std::string results_text(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric);
// [{task, name, folder, settings, state, step, epoch, loss, diverged, eval_loss, top1, top5, status, log,
//   attempts, job, node, images_per_s, seconds_left}]; null: nothing to say.
std::string results_json(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric);
// A line of names, then one for each task, quoted as in RFC 4180 and ended by a line feed; the columns are
// those of the JSON, with one for each setting that varies in the place of `settings`.
std::string results_csv(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric);
std::string plan_csv(const Sweep& sweep);

// "6 tasks: 3 finished, 1 running, 2 waiting"
std::string summary(const std::vector<TaskResult>& results);

}  // namespace vitrail::launcher
