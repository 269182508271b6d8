// What a pack is, as a value: manifest.json beside index.h5, quarantine.jsonl and the shards
// (datasets/README.md). The text of a manifest is canonical and ends with its own hash, so any changed byte
// is found before a number in it is believed. File names are not free: they follow from the shard's number.
// Throws: Error(bad_data) naming the file and the key; Error(io).
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::datasets {

inline constexpr std::uint64_t kPackVersion = 1;
inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kIndexFile = "index.h5";
inline constexpr const char* kQuarantineFile = "quarantine.jsonl";

struct FileEntry {
  std::string name;
  std::uint64_t bytes = 0;
  std::string hash;  // XXH3-128 of the whole file, 32 hex digits; so are all hashes here
};

// A byte range of a file, as H5Dget_offset told it while packing.
struct ArrayEntry {
  std::uint64_t address = 0;  // 0 where there are no bytes
  std::uint64_t bytes = 0;
  std::string hash;
};

struct ClassEntry {
  std::string name;
  std::string wnid;  // n01440764; empty where the source has none
};

struct ShardEntry {
  FileEntry file;
  std::uint64_t images = 0;
  ArrayEntry blob;
  ArrayEntry key;
};

// Arrays over all shards, concatenated in shard order.
struct IndexEntry {
  FileEntry file;
  ArrayEntry offset;  // u64[N + shards]: each shard's n + 1 offsets into its blob
  ArrayEntry label;   // u32[N]
  ArrayEntry crc32c;  // u32[N]
};

struct Manifest {
  std::string id;  // hash of everything that decides the pack's content: source listing and options
  std::string split;
  std::string source;               // as the user gave it
  std::string reencode = "none";    // or "SHORT_SIDE,QUALITY"
  std::string selection;            // which part of the source (partition.hpp); empty: all of it
  std::uint64_t source_images = 0;  // = images + quarantined
  std::uint64_t images = 0;         // N
  std::uint64_t quarantined = 0;    // lines of quarantine.jsonl
  std::uint64_t key_bytes = 1;      // length of every key, padded with NULs
  std::vector<ClassEntry> classes;  // none: images without labels
  std::vector<ShardEntry> shards;
  IndexEntry index;
  FileEntry quarantine;

  // Those that an image may have are below this. Without classes it is 0.
  std::uint64_t labels() const { return std::max<std::uint64_t>(classes.size(), 1); }
};

// One image that could not be decoded, or file that is none.
struct Quarantined {
  std::string key;
  std::string reason;
};

std::string shard_name(std::uint64_t shard, std::uint64_t shards);  // shard-00017-of-00640.h5

std::string to_text(const Manifest& manifest);
Manifest parse_manifest(const std::string& text, const std::string& path);  // `path`: for messages
Manifest read_manifest(const std::filesystem::path& pack);

// What one finished shard leaves behind until the manifest is written: the record that lets an interrupted
// run keep it.
struct ShardRecord {
  std::string pack_id;
  ShardEntry shard;
  std::vector<Quarantined> quarantined;
};
std::string to_text(const ShardRecord& record);
ShardRecord parse_shard_record(const std::string& text, const std::string& path,
                               const std::string& shard_file);

std::string to_line(const Quarantined& entry);   // one line of quarantine.jsonl
std::string printable(const std::string& name);  // without NULs at the end; odd bytes as \xNN

}  // namespace vitrail::datasets
