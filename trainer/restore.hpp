// Puts a run back where its newest whole checkpoint left it, on any number of ranks, to the bit.
// A damaged checkpoint is named and passed over for the next older one; one of another model, data, seed,
// lanes or batch is refused by name. Every file is compared with its hash before a byte of it is used.
// Throws: the same on all ranks: Error(refused) naming the key; Error(bad_data) when no checkpoint is whole.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "trainer/assembly.hpp"
#include "trainer/base/log.hpp"
#include "trainer/checkpoint/run_directory.hpp"

namespace vitrail::trainer {

// What of a configuration is part of a run's identity: other values would be another run.
bool is_identity(const std::string& key);

// Empty, or why `stored` cannot be continued as `current`: one clause naming the first key, both values.
std::string why_refused(const std::map<std::string, std::string>& stored,
                        const std::map<std::string, std::string>& current);

// Nothing if there is no checkpoint; refused if there is one and checkpoint.resume = never. `settings`: the
// resolved configuration; `defaults`: of keys that either side does not know.
std::optional<TrainState> restore(Assembly& run, const RunDirectory& directory,
                                  const std::map<std::string, std::string>& settings,
                                  const std::map<std::string, std::string>& defaults, Log& log);

}  // namespace vitrail::trainer
