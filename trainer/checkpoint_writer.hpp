// Saves the state of all ranks as one checkpoint: every rank writes its lanes' file under a temporary folder,
// all agree that it is on disk, rank 0 writes the manifest and renames the folder. Before the rename nothing
// is there, after it everything is; older checkpoints are pruned last. Throws: on all ranks the same
// Error(io) naming rank, file and cause; earlier checkpoints stay.
#pragma once

#include <filesystem>
#include <functional>

#include "sharding/communicator.hpp"
#include "sharding/lane_state.hpp"
#include "trainer/checkpoint_manifest.hpp"

namespace vitrail::trainer {

// `manifest` holds everything but `files`. `before_commit` is asked on rank 0 and throws where this attempt
// may not commit any more. Returns the checkpoint's folder.
std::filesystem::path save_checkpoint(const std::filesystem::path& checkpoints, std::int64_t keep_last,
                                      CheckpointManifest manifest, sharding::LaneState& state,
                                      sharding::Communicator& communicator,
                                      const std::function<void()>& before_commit = {});

}  // namespace vitrail::trainer
