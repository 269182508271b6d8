// The raw view of a pack: manifest, index mapped read-only (the page cache shares it within a node), and
// where each record lies. No HDF5 library. Opening checks the manifest's hash, the index's size and, unless
// told not to, its hashes. Throws: Error(bad_data) naming the file; Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "datasets/pack/pack_format.hpp"

namespace vitrail::datasets {

// A whole file in memory, unmapped by the destructor.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// That a file of a pack is there with the size that the manifest says; Error(bad_data) naming it.
void check_file(const std::filesystem::path& pack, const FileEntry& entry);

struct RecordPlace {
  std::uint64_t shard = 0;
  std::uint64_t row = 0;             // within the shard
  std::uint64_t begin = 0, end = 0;  // within the shard's blob; begin <= end <= its size
  std::uint32_t crc32c = 0;
};

class PackIndex {
 public:
  enum class Check { hashes, sizes };  // hashes read all of the index: once for each node is enough
  explicit PackIndex(const std::filesystem::path& pack, Check check = Check::hashes);
  void check_shards() const;  // that all are there, with the right sizes

  const std::filesystem::path& path() const { return path_; }
  const Manifest& manifest() const { return manifest_; }
  std::uint32_t label(std::uint64_t image) const;  // Error(bad_data) if it is no class
  RecordPlace place(std::uint64_t image) const;
  std::uint64_t first_image(std::uint64_t shard) const { return first_[shard]; }

  // Columns of one shard, as in its own arrays.
  std::vector<std::uint64_t> offsets(std::uint64_t shard) const;  // n + 1
  std::span<const std::uint32_t> labels(std::uint64_t shard) const;
  std::span<const std::uint32_t> crcs(std::uint64_t shard) const;

  std::string fingerprint()
      const;  // of what training sees: classes, labels, records; not of names and folders

 private:
  template <class T>
  std::span<const T> column(const ArrayEntry& entry, const char* name, Check check) const;

  std::uint64_t offset(std::uint64_t i) const { return wide_.empty() ? narrow_[i] : wide_[i]; }

  const std::filesystem::path path_;
  const Manifest manifest_;
  const MappedFile file_;
  std::span<const std::uint32_t> narrow_;  // offsets, in one of the two widths
  std::span<const std::uint64_t> wide_;
  std::span<const std::uint32_t> label_, crc32c_;
  std::vector<std::uint64_t> first_;  // first image of each shard, and N
};

}  // namespace vitrail::datasets
