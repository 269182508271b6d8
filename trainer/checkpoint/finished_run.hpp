// finished.json in a run's folder: rank 0's word that the run reached its planned end and that its last step
// is saved. It is the one proof of success: a launcher's exit status is none. Throws: Error(io).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "trainer/checkpoint/run_directory.hpp"

namespace vitrail::trainer {

struct FinishedRun {
  std::int64_t step = 0;  // the planned end
  std::string launch;     // which `vitrail launch` started the ranks that wrote this; empty: none did
  std::string writer;     // job or process
};

void write_finished(const RunDirectory& directory, const FinishedRun& run);
// Absent where the run has not ended, and where the file holds something else.
std::optional<FinishedRun> read_finished(const RunDirectory& directory);
void remove_finished(const RunDirectory& directory);  // of a run that goes on

}  // namespace vitrail::trainer
