#include "datasets/pack/pack_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "datasets/pack/crc32c.hpp"
#include "datasets/pack/hdf5_handles.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;
using Element = ElementType::Kind;

// Large arrays start at multiples of a parallel file system's stripe. So a blob of this size or more, which
// is the first array of its file, starts exactly here; a smaller one lies wherever the library puts it.
constexpr std::uint64_t kAlignment = std::uint64_t{1} << 20;
constexpr std::uint64_t kIndexAlignment = 64;  // a cache line: the index is mapped, u64 must not straddle
constexpr std::size_t kCopiedAtOnce = std::size_t{1} << 22;

fs::path with_suffix(fs::path path, const char* suffix) {
  path += suffix;
  return path;
}

template <class T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values));
}

void seek(const File& file, std::uint64_t position) {
  if (::lseek(file.descriptor(), static_cast<off_t>(position), SEEK_SET) < 0) {
    throw io_error("cannot seek in", file.path(), errno);
  }
}

// Lets the disk work while the next images are decoded, so that the sync at the end finds little to do. Only
// a hint: where it is not understood, that sync does everything.
void start_writing_back(const File& file, std::uint64_t begin, std::uint64_t bytes) {
  ::sync_file_range(file.descriptor(), static_cast<off_t>(begin), static_cast<off_t>(bytes),
                    SYNC_FILE_RANGE_WRITE);
}

template <class T>
ArrayEntry add_array(H5File& file, const char* name, ElementType type, std::vector<std::uint64_t> shape,
                     const T& values) {
  const ArrayInfo info = file.create_array(name, type, shape);
  file.write(name, 0, shape[0], bytes_of(values));
  return {info.address, info.bytes(), hash_bytes(bytes_of(values)).hex()};
}

}  // namespace

Hash128 hash_file(const fs::path& path) {
  const File file(path, File::Mode::read);
  const std::uint64_t size = file.size();
  std::vector<std::byte> piece(std::min<std::uint64_t>(kCopiedAtOnce, size));
  Hasher hasher;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    const auto part = std::span(piece).first(std::min<std::uint64_t>(piece.size(), size - at));
    file.read_at(at, part);
    hasher.update(part);
  }
  return hasher.digest();
}

ShardWriter::ShardWriter(const fs::path& pack, std::uint64_t shard, std::uint64_t shards, std::string pack_id,
                         std::uint64_t key_bytes, std::mutex& hdf5)
    : path_(pack / shard_name(shard, shards)),
      temporary_(with_suffix(path_, ".tmp")),
      shard_(shard),
      shards_(shards),
      key_bytes_(key_bytes),
      pack_id_(std::move(pack_id)),
      hdf5_(hdf5),
      file_(temporary_, File::Mode::create) {
  seek(file_, kAlignment);
}

void ShardWriter::add(const Record& record) {
  blob_hash_.update(record.encoded);
  pending_.insert(pending_.end(), record.encoded.begin(), record.encoded.end());
  if (pending_.size() >= kAlignment) {
    file_.write(pending_);
    start_writing_back(file_, kAlignment + streamed_, pending_.size());
    streamed_ += pending_.size();
    pending_.clear();
  }
  offset_.push_back(streamed_ + pending_.size());
  label_.push_back(record.label);
  crc32c_.push_back(crc32c(record.encoded));
  size_.insert(size_.end(), {record.height, record.width});
  key_ += record.key;
  key_.resize(label_.size() * key_bytes_, '\0');
}

ShardEntry ShardWriter::write_skeleton(const fs::path& path) {
  const std::uint64_t images = label_.size();
  const std::lock_guard lock(hdf5_);
  H5File file = H5File::create(path, kAlignment, kAlignment);
  const ArrayInfo blob = file.create_array("blob", {Element::u8}, {offset_.back()});
  add_array(file, "offset", {Element::u64}, {images + 1}, offset_);
  add_array(file, "label", {Element::u32}, {images}, label_);
  add_array(file, "crc32c", {Element::u32}, {images}, crc32c_);
  add_array(file, "size", {Element::u16}, {images, 2}, size_);
  ShardEntry entry;
  entry.images = images;
  entry.key = add_array(file, "key", {Element::text, key_bytes_}, {images}, key_);
  entry.blob = {blob.address, blob.bytes(), blob_hash_.digest().hex()};
  file.set_attribute("format", fmt::format("vitrail-pack {}", kPackVersion));
  file.set_attribute("pack", pack_id_);
  file.set_attribute("shard", fmt::format("{} of {}", shard_, shards_));
  file.close();
  return entry;
}

void ShardWriter::copy_around_blob(const fs::path& skeleton, const ArrayEntry& blob) {
  const File source(skeleton, File::Mode::read);
  const std::uint64_t size = source.size();
  std::vector<std::byte> piece(kCopiedAtOnce);
  const auto copy = [&](std::uint64_t begin, std::uint64_t end) {
    seek(file_, begin);
    while (begin < end) {
      const auto part = std::span(piece).first(std::min<std::uint64_t>(piece.size(), end - begin));
      source.read_at(begin, part);
      file_.write(part);
      begin += part.size();
    }
  };
  copy(0, blob.bytes == 0 ? size : blob.address);
  if (blob.bytes > 0) copy(blob.address + blob.bytes, size);
}

ShardEntry ShardWriter::finish() {
  const fs::path skeleton = with_suffix(temporary_, ".skeleton");
  ShardEntry entry = write_skeleton(skeleton);
  if (streamed_ > 0 && entry.blob.address != kAlignment) {
    throw Error(ExitCode::crash, fmt::format("{}: HDF5 put /blob at byte {}, not at {}", temporary_.string(),
                                             entry.blob.address, kAlignment));
  }
  seek(file_, entry.blob.address + streamed_);
  file_.write(pending_);
  copy_around_blob(skeleton, entry.blob);
  fs::remove(skeleton);
  file_.sync();
  entry.file = {path_.filename().string(), file_.size(), hash_file(temporary_).hex()};
  file_.close();
  rename_durably(temporary_, path_);
  return entry;
}

namespace {

std::vector<std::byte> narrowed(std::span<const std::byte> offsets) {
  std::vector<std::uint64_t> wide(offsets.size() / sizeof(std::uint64_t));
  std::memcpy(wide.data(), offsets.data(), offsets.size());
  const std::vector<std::uint32_t> narrow(wide.begin(), wide.end());
  const auto bytes = std::as_bytes(std::span(narrow));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

IndexEntry write_index(const fs::path& pack, const std::vector<ShardEntry>& shards) {
  const fs::path path = pack / kIndexFile, temporary = with_suffix(path, ".tmp");
  std::vector<std::uint64_t> first{0};
  for (const ShardEntry& shard : shards) first.push_back(first.back() + shard.images);
  H5File file = H5File::create(temporary, 1, kIndexAlignment);
  struct Column {
    const char* name;
    std::uint64_t element_bytes;  // in the shards
    std::uint64_t extra;          // elements a shard has more than images
    ArrayInfo info;
    Hasher hasher = {};
    std::uint64_t written = 0;
  };
  const std::uint64_t images = first.back();
  // Every node holds the index in memory: where all blobs are below 4 GiB, half the bytes tell an offset.
  const bool narrow = std::ranges::all_of(
      shards, [](const ShardEntry& s) { return s.blob.bytes <= std::numeric_limits<std::uint32_t>::max(); });
  const ElementType offset_type{narrow ? Element::u32 : Element::u64};
  Column columns[] = {{"offset", 8, 1, file.create_array("offset", offset_type, {images + shards.size()})},
                      {"label", 4, 0, file.create_array("label", {Element::u32}, {images})},
                      {"crc32c", 4, 0, file.create_array("crc32c", {Element::u32}, {images})}};
  add_array(file, "first", {Element::u64}, {first.size()}, first);
  for (const ShardEntry& entry : shards) {
    const H5File shard = H5File::open(pack / entry.file.name);
    for (Column& column : columns) {
      const std::uint64_t count = entry.images + column.extra;
      std::vector<std::byte> values(count * column.element_bytes);
      shard.read(column.name, 0, count, values);
      if (column.info.type.bytes() < column.element_bytes) values = narrowed(values);
      file.write(column.name, column.written, count, values);
      column.hasher.update(values);
      column.written += count;
    }
  }
  file.close();
  File whole(temporary, File::Mode::read);
  whole.sync();
  const auto entry = [](const Column& c) {
    return ArrayEntry{c.info.address, c.info.bytes(), c.hasher.digest().hex()};
  };
  IndexEntry index{{kIndexFile, whole.size(), hash_file(temporary).hex()},
                   entry(columns[0]),
                   entry(columns[1]),
                   entry(columns[2])};
  rename_durably(temporary, path);
  return index;
}

}  // namespace vitrail::datasets
