// Verdicts on the file system of a run's folder: whether ranks share it, how fast it is, and whether all
// checkpoints of the run will fit. Pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "launcher/doctor/facts/storage.hpp"
#include "launcher/doctor/finding.hpp"

namespace vitrail::launcher {

// `every_s`: seconds between checkpoints; absent: not counted in time, or not known.
Findings check_storage(const StorageFacts& facts, const std::optional<CheckpointNeed>& need,
                       const std::optional<double>& every_s);

}  // namespace vitrail::launcher
