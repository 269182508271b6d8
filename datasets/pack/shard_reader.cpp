#include "datasets/pack/shard_reader.hpp"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "datasets/pack/crc32c.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

std::shared_ptr<const File> ShardReader::file(std::uint64_t shard) const {
  const std::lock_guard lock(mutex_);
  const bool from_stage = staged(shard);
  const auto found = std::ranges::find(open_, shard, &OpenFile::shard);
  if (found != open_.end() && found->staged == from_stage) {
    open_.splice(open_.begin(), open_, found);
    return open_.front().file;
  }
  if (found != open_.end()) open_.erase(found);
  const FileEntry& entry = index_.manifest().shards[shard].file;
  const std::filesystem::path& folder = from_stage ? stage_->folder() : index_.path();
  check_file(folder, entry);
  open_.push_front({shard, from_stage, std::make_shared<const File>(folder / entry.name, File::Mode::read)});
  if (open_.size() > limit_) open_.pop_back();  // who still reads it keeps it open
  return open_.front().file;
}

std::size_t ShardReader::open_files() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

// A read that fails may be that of a shard which was cut since it was opened.
void ShardReader::read(std::uint64_t shard, std::uint64_t offset, std::span<std::byte> bytes) const {
  if (stage_ != nullptr) stage_->check();
  try {
    file(shard)->read_at(offset, bytes);
  } catch (const Error&) {
    if (staged(shard)) {
      stage_->give_up(shard);
      return read(shard, offset, bytes);
    }
    check_file(index_.path(), index_.manifest().shards[shard].file);
    throw;
  }
  ++calls_;
  bytes_ += bytes.size();
}

Bytes ShardReader::records(std::uint64_t first, std::uint64_t end) const {
  const RecordPlace begin = index_.place(first), last = index_.place(end - 1);
  if (last.end < begin.begin) {
    throw Error(ExitCode::bad_data, fmt::format("{}: the offsets of images {} and {} do not rise",
                                                (index_.path() / kIndexFile).string(), first, end - 1));
  }
  Bytes bytes(last.end - begin.begin);
  read(begin.shard, index_.manifest().shards[begin.shard].blob.address + begin.begin, bytes);
  return bytes;
}

Bytes ShardReader::record(std::uint64_t image) const {
  Bytes bytes = records(image, image + 1);
  const std::uint64_t shard = index_.place(image).shard;
  if (staged(shard) && crc32c(bytes) != index_.place(image).crc32c) {
    stage_->give_up(shard);
    bytes = records(image, image + 1);
  }
  check(image, bytes);
  return bytes;
}

void ShardReader::check(std::uint64_t image, std::span<const std::byte> record) const {
  const std::uint32_t crc = crc32c(record), expected = index_.place(image).crc32c;
  if (crc == expected) return;
  throw DamagedRecord(
      Error(ExitCode::bad_data,
            fmt::format("{}: CRC-32C is {:08x}, should be {:08x}: the record is damaged",
                        (index_.path() / describe(image)).string(), crc, expected),
            fmt::format("`vitrail verify {}` lists everything that is damaged", index_.path().string())));
}

std::string ShardReader::key(std::uint64_t image) const {
  const RecordPlace place = index_.place(image);
  std::string key(index_.manifest().key_bytes, '\0');
  read(place.shard, index_.manifest().shards[place.shard].key.address + place.row * key.size(),
       std::as_writable_bytes(std::span(key)));
  key.erase(std::min(key.find('\0'), key.size()));  // shorter keys are filled up
  return key;
}

std::string ShardReader::describe(std::uint64_t image) const {
  const RecordPlace place = index_.place(image);
  return fmt::format("{}: record {} ({})", index_.manifest().shards[place.shard].file.name, place.row,
                     printable(key(image)));
}

}  // namespace vitrail::datasets
