// Files of a stream, sorted on disk into one heap per shard: written once from end to end, then read in shard
// order by any rank. A heap is a row of [head, key, bytes]. The contents file, written last, makes the spool
// usable; each heap is removed when its shard is done. Throws: Error(bad_data) for a heap that is damaged;
// Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datasets/bytes.hpp"
#include "datasets/pack/pack_format.hpp"
#include "datasets/packing/sources/source_listing.hpp"

namespace vitrail::datasets {

struct SpoolContents {
  std::string identity;  // of the source it was made from
  std::string selection;
  std::uint64_t longest_key = 1;
  std::vector<ClassEntry> classes;
  std::vector<std::uint32_t> labels;       // label of each archive, in the order of the stream
  std::vector<std::uint64_t> heap_images;  // of each shard
  std::vector<std::uint64_t> heap_bytes;

  std::uint64_t images() const;
};

class SpoolWriter {
 public:
  SpoolWriter(const std::filesystem::path& folder, std::uint64_t shards);

  // `item.label` is the archive's number in the stream; of an item with a flaw nothing but this is kept.
  void add(const SourceItem& item, std::span<const std::byte> bytes);
  void finish(SpoolContents contents);  // counts and sizes are filled in here

 private:
  void flush(std::uint64_t shard);

  const std::filesystem::path folder_;
  std::vector<std::vector<std::byte>> pending_;
  std::vector<std::uint64_t> images_, bytes_;
  std::uint64_t longest_key_ = 1;
};

// The contents of a finished spool; none where there is none, or one that is damaged.
std::optional<SpoolContents> read_spool(const std::filesystem::path& folder);
bool heap_is_there(const std::filesystem::path& folder, const SpoolContents& contents, std::uint64_t shard);
void remove_heap(const std::filesystem::path& folder, std::uint64_t shard);

// A shard's items in its order, labels as in the pack; `place` is where the bytes begin in the heap.
std::vector<SourceItem> read_heap(const std::filesystem::path& folder, const SpoolContents& contents,
                                  std::uint64_t shard);
Bytes read_from_heap(const std::filesystem::path& folder, std::uint64_t shard, const SourceItem& item);

}  // namespace vitrail::datasets
