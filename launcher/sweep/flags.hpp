// The flags of `vitrail sweep`: which of its actions, and how.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launcher/cli/command_line.hpp"

namespace vitrail::launcher {

enum class SweepAction { plan, run, submit, status, folder };
enum class SweepMetric { automatic, loss, eval_loss, top1, top5 };

struct SweepFlags {
  SweepAction action = SweepAction::plan;  // the first word
  std::string output;                      // folder of all tasks
  std::optional<std::int64_t> task;
  std::int64_t at_once = 1;
  SweepMetric metric = SweepMetric::automatic;  // top1, or loss where nothing is evaluated
  OutputFormat format = OutputFormat::text;
  std::optional<double> quota_gib;
  std::string sbatch_args;
  bool change = false;  // take the config files as they are now
  bool retry_diverged = false;
  std::optional<double> watch;  // seconds between two looks
};

}  // namespace vitrail::launcher
