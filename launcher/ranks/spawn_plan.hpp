// How `launch` starts the ranks: the words of one srun or mpirun command, from what was asked and the
// surroundings. A pure function. Throws: Error(refused) where the two contradict each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launcher/ranks/environment.hpp"
#include "trainer/base/processors.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

enum class Via { automatic, srun, mpirun };

struct LaunchConfig {
  Via via = Via::automatic;  // automatic: srun inside a Slurm job, else mpirun
  std::string mpi = "pmix";  // how srun joins ranks to a world; empty: as the site does by default
  std::string srun_args;     // added to srun's own, as a shell would split them
  std::optional<std::int64_t> ranks, nodes, gpus_per_node;
};

struct Launch {
  const LaunchConfig& how;
  const trainer::Config& config;
  std::vector<std::string> words;  // what each rank's command is given
  std::string command = "train";
};

struct SpawnPlan {
  std::vector<std::string> words;
  std::string summary;  // for the user: "2 ranks by mpirun on this host, bound to 1 processor each"
};

// `processors`: of this process. `root`: Open MPI asks for an extra word then.
SpawnPlan plan_spawn(const Launch& asked, const Environment& environment, const std::string& program,
                     const Processors& processors, bool root);

}  // namespace vitrail::launcher
