// How many processors this process may use: by its mask (sched_setaffinity, as taskset and Slurm set it), its
// cgroup's cpuset and its cgroup's quota of time (version 1 and 2). The number that this machine has says
// nothing inside a job or a container.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace vitrail {

struct Processors {
  int masked = 1;               // that this process may run on
  int offered = 1;              // of its cpuset, or of the machine: what who ignores the mask would use
  std::optional<double> quota;  // processors' worth of time; absent: no limit
  std::string mask;             // "0-3,8": processes of one node with the same mask share these

  int count() const;  // to plan work for: whole ones, at least 1
  bool may_be_bound()
      const;  // to single ones: no mask that mpirun does not know of, no time that others share
};

Processors processors();     // of the calling thread
int available_processors();  // their count()

// Numbers in a list like "0-3,8,10-11". 0: no such list.
int count_in_list(const std::string& list);

// The least quota, and the cpuset's number of processors (absent: none found), of a process whose
// /proc/self/cgroup is `membership` and which sees cgroups below `root`, /sys/fs/cgroup.
struct CgroupLimits {
  std::optional<double> quota;
  std::optional<int> cpuset;
};
CgroupLimits cgroup_limits(const std::filesystem::path& membership, const std::filesystem::path& root);

}  // namespace vitrail
