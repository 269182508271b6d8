// The job script of `vitrail submit`: what Slurm is asked for, and one call of slurm/train.sh's `train`,
// which it has in common with the scripts of slurm/. A pure function: the same text wherever it is asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "launcher/submit/site.hpp"

namespace vitrail::launcher {

struct JobOfRun {
  std::filesystem::path run;      // its folder; its last part names the job
  std::filesystem::path config;   // the settings that the job reads
  std::filesystem::path scripts;  // folder of site.sh and train.sh
  std::filesystem::path program;
  std::int64_t nodes = 1;
  std::string time_limit = {};  // empty: the site's

  std::string name() const { return run.filename().string(); }
};

// As in the scripts of slurm/, whose requeue.sh reads it there: before the limit, for a last checkpoint.
inline constexpr std::int64_t kWarningSeconds = 180;

std::string job_script(const Site& site, const JobOfRun& job);

}  // namespace vitrail::launcher
