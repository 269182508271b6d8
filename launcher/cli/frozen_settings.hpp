// A run keeps the settings it was begun with. A job waits in the queue and comes back to it, while config
// files are edited for the next experiment: so in a Slurm job `launch` goes on with the run's own config.cfg
// instead of the files that the job names. What shall change is said by flags, which win over it.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/command_line.hpp"
#include "launcher/ranks/environment.hpp"

namespace vitrail::launcher {

// A `launch` line as the job runs it; its notes are what the files say now and the run does not follow.
// Outside of a job, for a run that has not begun, and where a new submission names files of another run
// (which is refused later, by name), the line as it stands.
CommandLine parse_frozen(const std::vector<std::string>& words, const Environment& environment);

}  // namespace vitrail::launcher
