// A source that can only be read from end to end: rank 0 sorts it into a spool once, all ranks read that. Who
// inherits sets identity_ and shards_ and writes the spool. Throws: Error(io) for a spool that cannot be
// seen.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "datasets/packing/pack_sources.hpp"
#include "datasets/packing/spool.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {

class StreamSource : public Source {
 public:
  std::string identity() const final { return identity_; }
  std::uint64_t shards() const final { return shards_; }

  bool is_stream() const final { return true; }
  void spool(const std::filesystem::path& folder,
             const std::function<bool(std::uint64_t)>& is_finished) final;
  void open_spool(const std::filesystem::path& folder) final;

  const std::vector<ClassEntry>& classes() const final { return contents_.classes; }
  std::uint64_t images() const final { return contents_.images(); }
  std::uint64_t longest_key() const final { return contents_.longest_key; }
  std::string selection() const final { return contents_.selection; }
  std::uint64_t images_of(std::uint64_t shard) const final { return contents_.heap_images[shard]; }
  std::vector<SourceItem> items(std::uint64_t shard) const final;
  Bytes read(const SourceItem& item) const final;
  void release(std::uint64_t shard) const final;

 protected:
  virtual void sort_into(const std::filesystem::path& folder) const = 0;

  std::string identity_;
  std::uint64_t shards_ = 0;

 private:
  std::filesystem::path folder_;
  SpoolContents contents_;
};

// Size, first and last MiB: a compressed archive cannot be listed without reading all of it.
std::string fingerprint_of_stream(const File& file);

}  // namespace vitrail::datasets
