// Records of a pack by pread: any number of threads, each read checked by CRC-32C, files opened when first
// needed and the least recently used closed again. Throws: Error(bad_data) naming shard, record and key;
// Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "datasets/pack_index.hpp"
#include "trainer/base/atomic_file.hpp"

namespace vitrail::datasets {

class ShardReader {
 public:
  explicit ShardReader(const PackIndex& index, std::size_t open_files = 128)
      : index_(index), limit_(open_files) {}

  std::vector<std::byte> record(std::uint64_t image) const;
  std::string key(std::uint64_t image) const;
  // "shard-00001-of-00004.h5: record 17 (n01440764/x.JPEG)", for messages; never throws for a damaged key
  std::string describe(std::uint64_t image) const;

 private:
  std::shared_ptr<const File> file(std::uint64_t shard) const;

  const PackIndex& index_;
  const std::size_t limit_;
  mutable std::mutex mutex_;
  mutable std::list<std::pair<std::uint64_t, std::shared_ptr<const File>>> open_;  // most recently used first
};

}  // namespace vitrail::datasets
