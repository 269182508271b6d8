// Copies of a pack's shards on the node's own disk, made by a thread while training reads what is not there
// yet from where the pack lies. All ranks of a node share them: each shard is copied once, compared with its
// hash and renamed. The first user of the folder removes what a killed run left, the last one removes the
// folder. Locks are the kernel's (flock): they end with their process. Throws: Error(refused) naming
// data.stage_dir, what is needed and what is free; Error(io).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "datasets/pack/pack_format.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

// A file that is locked until the destructor.
class FileLock {
 public:
  enum class Mode { shared, exclusive, exclusive_if_free };

  // Creates the file where missing. Null: exclusive_if_free, and it is not.
  static std::unique_ptr<FileLock> take(const std::filesystem::path& path, Mode mode);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  int descriptor() const { return fd_; }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

class ShardStage {
 public:
  // `id`: of the pack's content. Copying begins at once.
  ShardStage(const std::filesystem::path& pack, const Manifest& manifest, const std::string& id,
             const std::filesystem::path& stage_dir);
  ~ShardStage();
  ShardStage(const ShardStage&) = delete;
  ShardStage& operator=(const ShardStage&) = delete;

  bool holds(std::uint64_t shard) const { return staged_[shard]; }
  const std::filesystem::path& folder() const { return folder_; }
  // From now on the shard is read from where the pack lies.
  void give_up(std::uint64_t shard) const { staged_[shard] = false; }
  void check() const;  // Error(io): copying failed, as on a full disk

 private:
  enum class Outcome { staged, busy, impossible };

  void enter();
  void leave();
  void check_space() const;
  void work(const std::stop_token& stop);
  Outcome copy(std::uint64_t shard, const std::stop_token& stop) const;

  const std::filesystem::path pack_, stage_dir_, folder_, lock_path_;
  const Manifest& manifest_;
  std::unique_ptr<FileLock> user_;
  mutable std::vector<std::atomic<bool>> staged_;
  std::atomic<bool> failed_ = false;
  std::optional<Error> failure_;  // written before failed_
  std::jthread copier_;
};

}  // namespace vitrail::datasets
