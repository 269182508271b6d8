// What can be packed (datasets/README.md lists the kinds): images with labels or without, cut into shards,
// and the bytes of each image. Which image lies where in which shard follows from the hash of its key.
// Throws: Error(usage) for a source that is none; Error(bad_data) for one that is not what it should be;
// Error(refused) for options that do not fit it; Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datasets/bytes.hpp"
#include "datasets/open_options.hpp"
#include "datasets/pack/pack_format.hpp"
#include "datasets/packing/partition.hpp"
#include "datasets/packing/sources/source_listing.hpp"

namespace vitrail::datasets {

struct SourceOptions {
  std::string source;                 // KIND:PATH
  std::filesystem::path devkit = {};  // of ImageNet-1k; empty: none
  std::string split = {};             // which part of a source that holds several
  std::string labels = {};  // which of several kinds: a column, a rank, coarse, none; empty: the usual ones
  std::filesystem::path class_names =
      {};                            // a file with a class a line, where labels are numbers; empty: none
  Labels labelled = Labels::needed;  // of WebDataset's tars
  Partition partition = {};          // of ImageNet-21k
  std::uint64_t shard_bytes = 0;
  int threads = 1;
  bool progress = false;
};

inline constexpr const char* kNoLabels = "none";  // what SourceOptions::labels calls them

class Source {
 public:
  virtual ~Source() = default;

  // Decides with the options whether two packs are the same. Reads no image of an archive or folder.
  virtual std::string identity() const = 0;
  virtual std::uint64_t shards() const = 0;

  // Streams cannot be read in shard order: rank 0 sorts them once into files below `folder`, then all ranks
  // open those. `is_finished(shard)`: that one is not needed any more.
  virtual bool is_stream() const { return false; }
  virtual void spool(const std::filesystem::path& /*folder*/,
                     const std::function<bool(std::uint64_t)>& /*is_finished*/) {}
  virtual void open_spool(const std::filesystem::path& /*folder*/) {}

  // All of these after open_spool. Safe from any thread.
  virtual const std::vector<ClassEntry>& classes() const = 0;  // none: images without labels
  virtual std::uint64_t images() const = 0;                    // and files that are none
  virtual std::uint64_t longest_key() const = 0;
  virtual std::string selection() const = 0;  // which part of the source this is; empty: all of it
  virtual std::uint64_t images_of(std::uint64_t shard) const = 0;
  virtual std::vector<SourceItem> items(std::uint64_t shard) const = 0;  // in the order of the shard
  virtual Bytes read(const SourceItem& item) const = 0;
  // What a user should look at, though the pack can be made: a line each.
  virtual std::vector<std::string> warnings() const { return {}; }
  virtual void release(std::uint64_t /*shard*/) const {}  // it is written and will not be asked for again
};

// What it throws names files, but not the source as a whole: who asked knows how it was given.
std::unique_ptr<Source> open_source(const SourceOptions& options);

bool is_packed_source(const std::string& source);  // KIND: of one of these, whatever comes behind it

std::string source_forms();  // of all kinds, for help: "folder:DIR (a folder for each class), ..."

}  // namespace vitrail::datasets
