// Verdicts on what Slurm will do with a job when its time is over, when it is preempted, when a node fails.
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "launcher/doctor/facts/slurm.hpp"
#include "launcher/doctor/finding.hpp"

namespace vitrail::launcher {

// What a job script asks for and a run needs, seconds; absent: not known.
struct JobTimes {
  std::optional<std::int64_t> limit = {},
                              warning = {};  // sbatch's --time, and how long before its end a signal comes
  std::int64_t stop_before = 0;              // run.stop_before; 0: the run does not look at the limit
  std::optional<double> every = {};          // checkpoint.every, in time
  std::optional<double> save = {};           // a checkpoint's write
};

// `limit` of the job itself wins over that of `times`. Without a limit, not known.
Finding check_time_limit(const SlurmFacts& facts, const JobTimes& times);
// One finding where no Slurm answers.
Findings check_slurm(const SlurmFacts& facts, const JobTimes& times);

}  // namespace vitrail::launcher
