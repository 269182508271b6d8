// What the checkpoints of a sweep's unfinished tasks will take, beside what is free for them.
// Throws: Error(refused) where that is not enough; Error(io).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launcher/sweep/results.hpp"

namespace vitrail::launcher {

struct SweepSpace {
  std::uint64_t needed = 0;     // bytes that are still to be written
  std::uint64_t available = 0;  // bytes free in the file system, or left of the quota if that is less
};

// quota_gib: what all checkpoints of the sweep together may take, where the file system does not know.
SweepSpace space_of(const Sweep& sweep, const std::vector<TaskResult>& results,
                    std::optional<double> quota_gib);

std::string describe(
    const SweepSpace& space);  // "checkpoints of the tasks to run: 1.2 GB more; 50.3 GB free"
void check_space(const Sweep& sweep, const SweepSpace& space);

}  // namespace vitrail::launcher
