// Giving a job to Slurm.
#pragma once

#include <string>
#include <vector>

namespace vitrail::launcher {

struct Submitted {
  int status = 0;    // of sbatch; 127: there is none
  std::string job;   // its id, an array's too; empty: it was not taken
  std::string said;  // what sbatch printed
};
// `words`: sbatch and its own.
Submitted submit_job(const std::vector<std::string>& words);

// For the name of a log, in which sbatch replaces %A and others.
std::string without_patterns(const std::string& path);

}  // namespace vitrail::launcher
