// What slurm/site.sh says of the cluster, as far as `vitrail submit` asks: the file is a shell's, and bash
// reads it. Throws: Error(usage) naming the file for one that is not there, that bash cannot read, or whose
// numbers are none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace vitrail::launcher {

// Empty: Slurm is not told, and has its own.
struct Site {
  std::string runs = "runs";  // folder of the runs' folders
  std::string partition, account, constraint;
  std::string gpus_per_node;   // "8" or "a100:8"
  std::string ranks_per_node;  // empty: one for each GPU
  std::string cpus_per_rank;
  std::string time_limit;  // as sbatch's --time
  std::string mail;        // who is told of a job's end

  std::int64_t ranks_on_node() const;  // at least 1
};

Site read_site(const std::filesystem::path& file);

// The folder of site.sh, train.sh and requeue.sh: the one that was asked for, or slurm in the working
// directory, or that beside the program, installed or in its source tree.
std::filesystem::path scripts_folder(const std::string& asked, const std::filesystem::path& program);

}  // namespace vitrail::launcher
