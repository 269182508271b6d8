// Opens a run's data sets on all ranks at once: rank 0 looks whether every shard of a pack is there, the
// first rank of each node reads the index in full; the others map what these have looked at. Throws: on all
// ranks the same Error.
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.hpp"
#include "sharding/comm/communicator.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

enum class DataUse { training, evaluation };

// `key`: the setting that errors name, where data.val stands for another one.
std::shared_ptr<const datasets::Dataset> open_together(const datasets::DataConfig& config, DataUse use,
                                                       sharding::Communicator& communicator,
                                                       const std::string& key = "data.val");

}  // namespace vitrail::trainer
