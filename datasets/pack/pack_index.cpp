#include "datasets/pack/pack_index.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <sys/mman.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace fs = std::filesystem;

void check_file(const fs::path& pack, const FileEntry& entry) {
  const fs::path path = pack / entry.name;
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) throw Error(ExitCode::bad_data, fmt::format("{}: {}", path.string(), error.message()));
  if (bytes != entry.bytes) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: {} bytes, but the manifest says {}: truncated, or of another pack",
                            path.string(), bytes, entry.bytes));
  }
}

MappedFile::MappedFile(const fs::path& path) {
  const File file(path, File::Mode::read);
  size_ = file.size();
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (data == MAP_FAILED) throw io_error("cannot map", path, errno);
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

template <class T>
std::span<const T> PackIndex::column(const ArrayEntry& entry, const char* name, Check check) const {
  const auto fail = [&](const char* what) {
    throw Error(ExitCode::bad_data, fmt::format("{}: /{}: {}", (path_ / kIndexFile).string(), name, what));
  };
  if (entry.address % alignof(T) != 0) fail("the address in the manifest is not one of such elements");
  if (entry.address > file_.bytes().size() || entry.bytes > file_.bytes().size() - entry.address) {
    fail("lies outside the file");
  }
  const auto bytes = file_.bytes().subspan(entry.address, entry.bytes);
  if (check == Check::hashes && hash_bytes(bytes).hex() != entry.hash)
    fail("its hash is not the manifest's: the file is damaged");
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

PackIndex::PackIndex(const fs::path& pack, Check check)
    : path_(pack),
      manifest_(read_manifest(pack)),
      file_((check_file(pack, manifest_.index.file), pack / kIndexFile)) {
  const ArrayEntry& offsets = manifest_.index.offset;
  if (offsets.bytes == (manifest_.images + manifest_.shards.size()) * sizeof(std::uint32_t)) {
    narrow_ = column<std::uint32_t>(offsets, "offset", check);
  } else {
    wide_ = column<std::uint64_t>(offsets, "offset", check);
  }
  label_ = column<std::uint32_t>(manifest_.index.label, "label", check);
  crc32c_ = column<std::uint32_t>(manifest_.index.crc32c, "crc32c", check);
  first_.push_back(0);
  for (const ShardEntry& shard : manifest_.shards) first_.push_back(first_.back() + shard.images);
}

void PackIndex::check_shards() const {
  for (const ShardEntry& shard : manifest_.shards) check_file(path_, shard.file);
}

std::uint32_t PackIndex::label(std::uint64_t image) const {
  const std::uint32_t label = label_[image];
  if (label >= manifest_.labels()) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: image {} has label {}, but there are {} classes",
                            (path_ / kIndexFile).string(), image, label, manifest_.classes.size()));
  }
  return label;
}

RecordPlace PackIndex::place(std::uint64_t image) const {
  const auto next = std::upper_bound(first_.begin(), first_.end(), image);
  const auto shard = static_cast<std::uint64_t>(next - first_.begin()) - 1;
  const std::uint64_t at = image + shard;  // each shard before has one offset more than images
  const RecordPlace place{shard, image - first_[shard], offset(at), offset(at + 1), crc32c_[image]};
  if (place.begin > place.end || place.end > manifest_.shards[shard].blob.bytes) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: the offsets of image {}, {} and {}, do not fit its shard",
                            (path_ / kIndexFile).string(), image, place.begin, place.end));
  }
  return place;
}

std::vector<std::uint64_t> PackIndex::offsets(std::uint64_t shard) const {
  std::vector<std::uint64_t> offsets(manifest_.shards[shard].images + 1);
  for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] = offset(first_[shard] + shard + i);
  return offsets;
}

std::span<const std::uint32_t> PackIndex::labels(std::uint64_t shard) const {
  return label_.subspan(first_[shard], manifest_.shards[shard].images);
}

std::span<const std::uint32_t> PackIndex::crcs(std::uint64_t shard) const {
  return crc32c_.subspan(first_[shard], manifest_.shards[shard].images);
}

std::string PackIndex::fingerprint() const {
  std::string content = fmt::format("{} {} {} {}\n", manifest_.images, manifest_.index.offset.hash,
                                    manifest_.index.label.hash, manifest_.index.crc32c.hash);
  for (const ClassEntry& c : manifest_.classes) content += c.name + "\n";
  for (const ShardEntry& shard : manifest_.shards) content += shard.blob.hash + "\n";
  return hash_text(content).hex();
}

}  // namespace vitrail::datasets
