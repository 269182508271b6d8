// Before the first step: can this run's checkpoints be written where they are to lie? Every rank reserves the
// bytes of its file and writes some of them, all at the same time, so that a full disk, a quota, a missing
// permission on one node or a slow file system shows now. Throws: on all ranks Error(io) naming rank and
// cause.
#pragma once

#include <cstdint>
#include <filesystem>

#include "sharding/comm/communicator.hpp"
#include "trainer/base/log.hpp"

namespace vitrail::trainer {

struct CheckpointSpace {
  std::uint64_t own_bytes = 0;   // of this rank's file
  std::int64_t checkpoints = 3;  // at most at any time
};

// Of all files below a folder, as far as they can be looked at; 0 where it is not there.
std::uint64_t bytes_of_tree(const std::filesystem::path& folder);

void check_checkpoint_space(const std::filesystem::path& checkpoints, const CheckpointSpace& wanted,
                            const std::string& label, sharding::Communicator& communicator, Log& log);

}  // namespace vitrail::trainer
