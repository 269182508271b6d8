// An evaluation during a run: what the task's scorer makes of data.val, or how well the nearest images of
// known data tell their labels (knn.hpp). Throws: as evaluate().
#pragma once

#include <functional>
#include <optional>

#include "trainer/assembly.hpp"
#include "trainer/tasks/scores.hpp"

namespace vitrail::trainer {

// `config`: how; its evaluations may differ from those that the run began with. `interrupted`: as evaluate().
std::optional<Scores> evaluate_run(Assembly& run, const Config& config,
                                   const std::function<bool()>& interrupted, Log& log);

}  // namespace vitrail::trainer
