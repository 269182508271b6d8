// What the file system of a run's folder does: tried in a hidden folder that is removed again, in the run's
// folder, or where that is not there yet, in the nearest one above it. Collective. Throws: PeerFailure; what
// the file system refuses is a fact.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sharding/comm/communicator.hpp"

namespace vitrail::launcher {

// Checkpoints of a run, all that there are at most at any time.
struct CheckpointNeed {
  std::uint64_t bytes = 0;  // of one
  std::int64_t checkpoints = 3;
  std::uint64_t already = 0;  // bytes that they take now

  double all() const { return static_cast<double>(bytes) * static_cast<double>(checkpoints); }
};

struct StorageOfRank {
  std::string host = {};
  std::string refused = {};  // in the operating system's words; empty: nothing
  bool sees = false;         // what rank 0 made
  bool exclusive = false;    // a file that is there is not made once more
  double rename_s = 0;       // of a small file that is written, synced and renamed
  double write_bytes_per_s = 0;
};

struct StorageFacts {
  std::string folder;  // where it was tried
  std::string kind;    // "ext4"; empty: not told
  std::uint64_t free_bytes = 0;
  std::optional<std::uint64_t> free_files;  // absent: it makes them as it needs them
  enum class Reserved { yes, refused, not_offered, not_tried };
  Reserved reserved = Reserved::not_tried;  // all checkpoints' bytes at once
  std::string why_not;                      // refused: the operating system's words
  // What was refused may pass: it is no question of rights, room or limits.
  bool may_pass = false;
  std::vector<StorageOfRank> ranks;
};

// The same on all ranks.
StorageFacts try_storage(sharding::Communicator& ranks, const std::string& host,
                         const std::filesystem::path& run, const std::optional<CheckpointNeed>& need);

// Of /proc/self/mountinfo's text, the type of the file system that holds an absolute path; empty: none.
std::string file_system_of(const std::string& mounts, const std::filesystem::path& path);

}  // namespace vitrail::launcher
