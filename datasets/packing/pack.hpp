// Packing: a source of images -> a pack folder (datasets/README.md). Work is split by shard over ranks and
// threads; the bytes depend on source and options alone. Interrupted at any moment, the same call completes
// it: finished shards of the same source and options are kept. Every image is decoded once; what cannot be is
// listed in quarantine.jsonl. Throws: Error(refused) for a folder that holds something else; Error(bad_data)
// for a broken source; Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "datasets/packing/pack_rules.hpp"

namespace vitrail::datasets {

struct PackOptions {
  std::string source;  // see pack_sources.hpp
  std::filesystem::path output;
  std::string split = {};  // empty: by the names of source and output (split_names.hpp)
  std::uint64_t shard_bytes = std::uint64_t{1} << 30;  // target: shards = ceil(bytes of the source / this)
  int threads = 1;                                     // of this rank; each packs one shard at a time
  bool progress = true;                                // a line on stderr, from rank 0
  std::filesystem::path devkit = {};                   // of ImageNet-1k, for names and validation labels
  std::string validation = {};             // rule that cuts imagenet-21k (partition.hpp); empty: its default
  std::string labels = {};                 // which of several kinds (pack_sources.hpp)
  std::filesystem::path class_names = {};  // of classes that are numbers in the source
  std::optional<Reencode> reencode = {};
  std::function<void(const std::string&)> warn = {};  // on rank 0: what a user should look at
};

inline constexpr const char* kDefaultValidation = "hash:0.01";

// Who else packs into the same folder. When a rank throws, the others wait at the barrier: the caller aborts
// them.
struct PackRanks {
  int rank = 0;
  int world = 1;
  std::function<void()> barrier = [] {};
};

// The whole pack on rank 0. Other ranks know only their own shards, and leave images, quarantined and bytes
// at 0.
struct PackReport {
  bool already_complete = false;
  std::uint64_t images = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t shards = 0;
  std::uint64_t shards_kept = 0;  // this rank's, finished by an earlier interrupted run
  std::uint64_t bytes = 0;        // of the shard files
  std::string split;
};

PackReport pack(const PackOptions& options, const PackRanks& ranks = {});

}  // namespace vitrail::datasets
