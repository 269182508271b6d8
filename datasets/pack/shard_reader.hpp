// Records of a pack by pread: any number of threads, each record checked by CRC-32C, files opened when first
// needed and the least recently used closed again. Throws: DamagedRecord naming shard, record and key;
// Error(bad_data) naming a shard that is missing or has another size than the manifest says; Error(io).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "datasets/bytes.hpp"
#include "datasets/dataset.hpp"
#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/shard_stage.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {

class ShardReader {
 public:
  explicit ShardReader(const PackIndex& index, std::size_t open_files = 128)
      : index_(index), limit_(open_files) {}

  // Shards that it holds are read from there; what is wrong with a copy is read again from the pack.
  void read_from(const ShardStage* stage) { stage_ = stage; }

  Bytes record(std::uint64_t image) const;
  // The records of [first, end) of one shard, end to end, by one read and not yet checked.
  Bytes records(std::uint64_t first, std::uint64_t end) const;
  void check(std::uint64_t image, std::span<const std::byte> record) const;
  std::string key(std::uint64_t image) const;
  // "shard-00001-of-00004.h5: record 17 (n01440764/x.JPEG)", for messages; never throws for a damaged key
  std::string describe(std::uint64_t image) const;
  ReadCount read_count() const { return {calls_, bytes_}; }
  std::size_t open_files() const;

 private:
  bool staged(std::uint64_t shard) const { return stage_ != nullptr && stage_->holds(shard); }
  std::shared_ptr<const File> file(std::uint64_t shard) const;
  void read(std::uint64_t shard, std::uint64_t offset, std::span<std::byte> bytes) const;

  const PackIndex& index_;
  const std::size_t limit_;
  const ShardStage* stage_ = nullptr;
  mutable std::mutex mutex_;
  mutable std::atomic<std::uint64_t> calls_ = 0, bytes_ = 0;
  struct OpenFile {
    std::uint64_t shard;
    bool staged;
    std::shared_ptr<const File> file;
  };
  mutable std::list<OpenFile> open_;  // most recently used first
};

}  // namespace vitrail::datasets
