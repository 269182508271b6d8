// Puts a run back where its newest whole checkpoint left it, on any number of ranks, to the bit.
// A damaged checkpoint is named and passed over for the next older one; one of another model, data, seed,
// lanes or batch is refused by name. Every file is compared with its hash before a byte of it is used.
// Throws: the same on all ranks: Error(refused) naming the key; Error(bad_data) when no checkpoint is whole.
#pragma once

#include <optional>

#include "trainer/assembly.hpp"
#include "trainer/base/log.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/run/train.hpp"

namespace vitrail::trainer {

// Nothing if there is no checkpoint; refused if there is one and checkpoint.resume = never.
std::optional<TrainState> restore(Assembly& run, const RunDirectory& directory, const TrainRequest& request,
                                  Log& log);

}  // namespace vitrail::trainer
