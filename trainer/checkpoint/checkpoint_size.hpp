// Bytes of a run's checkpoint before it is written: weights, moments and average of every parameter in the
// type of the sums, and what the task remembers of each training sample. HDF5's own structures and the
// manifest, some kilobytes a rank, are not counted.
#pragma once

#include <cstdint>

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

std::uint64_t remembered_bytes(const Config& config, std::int64_t samples);
// `samples`: of the training set; only tasks with remembered_numbers() ask.
std::uint64_t checkpoint_bytes(const Config& config, std::int64_t samples);

// At most at any time: those that are kept, and the next one before the oldest goes. Those that
// checkpoint.keep_every keeps for good are counted where the configuration alone says how many they are.
std::int64_t most_checkpoints(const Config& config);
std::uint64_t most_checkpoint_bytes(const Config& config, std::int64_t samples);

}  // namespace vitrail::trainer
