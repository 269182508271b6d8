#include "datasets/shard_reader.hpp"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "datasets/crc32c.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

std::shared_ptr<const File> ShardReader::file(std::uint64_t shard) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(open_, shard, [](const auto& entry) { return entry.first; });
  if (found != open_.end()) {
    open_.splice(open_.begin(), open_, found);
  } else {
    const auto& name = index_.manifest().shards[shard].file.name;
    open_.emplace_front(shard, std::make_shared<const File>(index_.path() / name, File::Mode::read));
    if (open_.size() > limit_) open_.pop_back();  // who still reads it keeps it open
  }
  return open_.front().second;
}

std::vector<std::byte> ShardReader::record(std::uint64_t image) const {
  const RecordPlace place = index_.place(image);
  std::vector<std::byte> bytes(place.end - place.begin);
  file(place.shard)->read_at(index_.manifest().shards[place.shard].blob.address + place.begin, bytes);
  if (const std::uint32_t crc = crc32c(bytes); crc != place.crc32c) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: CRC-32C is {:08x}, should be {:08x}: the record is damaged",
                            (index_.path() / describe(image)).string(), crc, place.crc32c),
                fmt::format("`vitrail verify {}` lists everything that is damaged", index_.path().string()));
  }
  return bytes;
}

std::string ShardReader::key(std::uint64_t image) const {
  const RecordPlace place = index_.place(image);
  std::string key(index_.manifest().key_bytes, '\0');
  file(place.shard)
      ->read_at(index_.manifest().shards[place.shard].key.address + place.row * key.size(),
                std::as_writable_bytes(std::span(key)));
  return key;
}

std::string ShardReader::describe(std::uint64_t image) const {
  const RecordPlace place = index_.place(image);
  return fmt::format("{}: record {} ({})", index_.manifest().shards[place.shard].file.name, place.row,
                     printable(key(image)));
}

}  // namespace vitrail::datasets
