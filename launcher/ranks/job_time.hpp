// How long a Slurm job may still run, asked of Slurm once: a signal before the time limit can be lost.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "launcher/ranks/environment.hpp"

namespace vitrail::launcher {

// What squeue prints as time left: "1-02:03:04", "2:03:04", "03:04". Absent: no limit, or none of these.
std::optional<std::chrono::seconds> parse_time_left(const std::string& text);

// For the ranks that are started next; does nothing where Slurm does not say.
void tell_ranks_when_job_ends(const SlurmJob& job);

}  // namespace vitrail::launcher
