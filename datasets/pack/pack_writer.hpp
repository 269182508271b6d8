// Writes one shard and the index of a pack. Records stream to the file's final place for them while the small
// arrays wait in memory; at the end the HDF5 library lays out a sparse file with a hole for the blob, and
// what is around the hole is copied around the records. So a shard of any size needs a few MiB, and the
// library only moments. A file appears under its name when it is whole: *.tmp, sync, rename. Throws:
// Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "datasets/pack/pack_format.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {

struct Record {
  std::string key;
  std::uint32_t label = 0;
  std::uint16_t height = 0, width = 0;  // of the decoded image
  std::span<const std::byte> encoded;
};

class ShardWriter {
 public:
  // `hdf5` is held around library calls; all writers of a process share it.
  ShardWriter(const std::filesystem::path& pack, std::uint64_t shard, std::uint64_t shards,
              std::string pack_id, std::uint64_t key_bytes, std::mutex& hdf5);

  void add(const Record& record);
  ShardEntry finish();

 private:
  ShardEntry write_skeleton(const std::filesystem::path& path);
  void copy_around_blob(const std::filesystem::path& skeleton, const ArrayEntry& blob);

  const std::filesystem::path path_, temporary_;
  const std::uint64_t shard_, shards_, key_bytes_;
  const std::string pack_id_;
  std::mutex& hdf5_;
  File file_;
  std::uint64_t streamed_ = 0;      // bytes of the blob already in the file
  std::vector<std::byte> pending_;  // the rest of the blob so far
  Hasher blob_hash_;
  std::vector<std::uint64_t> offset_{0};
  std::vector<std::uint32_t> label_, crc32c_;
  std::vector<std::uint16_t> size_;  // height, width
  std::string key_;
};

// From the finished shards of the pack.
IndexEntry write_index(const std::filesystem::path& pack, const std::vector<ShardEntry>& shards);

Hash128 hash_file(const std::filesystem::path& path);

}  // namespace vitrail::datasets
