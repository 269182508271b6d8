#include "datasets/packing/sources/stream_source.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "datasets/pack/pack_plan.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {

namespace fs = std::filesystem;

void StreamSource::spool(const fs::path& folder, const std::function<bool(std::uint64_t)>& is_finished) {
  if (const auto there = read_spool(folder); there && there->identity == identity_) {
    bool complete = there->heap_images.size() == shards_;
    for (std::uint64_t s = 0; s < shards_; ++s) {
      complete = complete && (is_finished(s) || heap_is_there(folder, *there, s));
    }
    if (complete) return;
  }
  sort_into(folder);
}

void StreamSource::open_spool(const fs::path& folder) {
  auto contents = read_spool(folder);
  if (!contents || contents->identity != identity_) {
    throw Error(ExitCode::io,
                fmt::format("{}: rank 0 wrote it, but it cannot be seen from here", folder.string()),
                "is the folder shared by all nodes?");
  }
  folder_ = folder;
  contents_ = std::move(*contents);
}

std::vector<SourceItem> StreamSource::items(std::uint64_t shard) const {
  return read_heap(folder_, contents_, shard);
}

Bytes StreamSource::read(const SourceItem& item) const {
  return read_from_heap(folder_, plan_key(item.key, shards_).shard, item);
}

void StreamSource::release(std::uint64_t shard) const { remove_heap(folder_, shard); }

std::string fingerprint_of_stream(const File& file) {
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  Hasher hasher;
  std::vector<std::byte> piece(std::min(kPiece, file.size()));
  file.read_at(0, piece);
  hasher.update(piece);
  file.read_at(file.size() - piece.size(), piece);
  hasher.update(piece);
  return fmt::format("{} bytes {}", file.size(), hasher.digest().hex());
}

}  // namespace vitrail::datasets
