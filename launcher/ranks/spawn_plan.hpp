// How `launch` starts the ranks: the words of one srun or mpirun command, from the command line and the
// surroundings. A pure function. Throws: Error(refused) where the two contradict each other.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/command_line.hpp"
#include "launcher/ranks/environment.hpp"
#include "trainer/base/processors.hpp"

namespace vitrail::launcher {

struct SpawnPlan {
  std::vector<std::string> words;
  std::string summary;  // for the user: "2 ranks by mpirun on this host, bound to 1 processor each"
};

// `processors`: of this process. `root`: Open MPI asks for an extra word then.
SpawnPlan plan_spawn(const CommandLine& line, const Environment& environment, const std::string& program,
                     const Processors& processors, bool root);

}  // namespace vitrail::launcher
