// The full check of a pack: every byte of every file against the manifest's hashes, every record against its
// CRC, and the view through the HDF5 library against the raw one that training uses. One changed byte
// anywhere is found; where it belongs to a record, shard, record and key are named. Damage is reported, not
// thrown. Throws: Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vitrail::datasets {

struct VerifyOptions {
  int threads = 1;
  bool decode = false;  // also decode every image and compare its size
  bool progress = true;
};

struct Problem {
  std::string file;  // within the pack
  std::optional<std::uint64_t> record;
  std::string key;  // of the record
  std::string message;

  std::string text() const;  // "shard-00001-of-00004.h5: record 17 (n01440764/x.JPEG): CRC-32C is ..."
};

struct VerifyReport {
  std::vector<Problem> problems;                    // empty: the pack is good
  std::uint64_t images = 0, shards = 0, bytes = 0;  // as the manifest says; 0 where it cannot be read
};

VerifyReport verify_pack(const std::filesystem::path& pack, const VerifyOptions& options = {});

}  // namespace vitrail::datasets
