// How far a run has come, by its newest checkpoint and by finished.json; and what to say of weights of a run
// that has not finished. Throws: Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "trainer/checkpoint/run_directory.hpp"

namespace vitrail::trainer {

struct RunProgress {
  std::int64_t step = 0;
  std::int64_t planned = 0;  // steps in all; 0: an earlier build did not say
  bool finished = false;

  std::string text() const;  // "step 20 of 5000"
};

// Absent: no checkpoint, or none that can be read.
std::optional<RunProgress> run_progress(const RunDirectory& directory);

// Of one checkpoint; of a run's folder, its newest. Absent: weights that no run trains (imported ones).
std::optional<RunProgress> progress_of(const std::filesystem::path& checkpoint_or_run);

}  // namespace vitrail::trainer
