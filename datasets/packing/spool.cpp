#include "datasets/packing/spool.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "datasets/pack/pack_plan.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kContents = "spool.json";
constexpr std::size_t kPending = std::size_t{1} << 18;  // per shard: 0.3 GB for the 1,100 of winter21

struct Head {
  std::uint32_t archive = 0;
  std::uint16_t key_bytes = 0;
  Flaw flaw = Flaw::none;
  std::uint8_t unused = 0;
  std::uint64_t bytes = 0;   // as the archive says
  std::uint64_t stored = 0;  // that follow the key
};
static_assert(sizeof(Head) == 24 && kMaxKeyBytes < 65536);

fs::path heap_path(const fs::path& folder, std::uint64_t shard) {
  return folder / fmt::format("heap-{:05}", shard);
}

SpoolContents contents_of(const Json& json) {
  SpoolContents contents{json.at("identity"), json.at("selection"), json.at("longest_key"), {}, {}, {}, {}};
  for (const Json& c : json.at("classes")) contents.classes.push_back({c.at(0), c.at(1)});
  contents.labels = json.at("labels").get<std::vector<std::uint32_t>>();
  contents.heap_images = json.at("heap_images").get<std::vector<std::uint64_t>>();
  contents.heap_bytes = json.at("heap_bytes").get<std::vector<std::uint64_t>>();
  return contents;
}

bool fits_together(const SpoolContents& contents) {
  return !contents.heap_images.empty() && contents.heap_images.size() == contents.heap_bytes.size() &&
         std::ranges::all_of(contents.labels, [&](std::uint32_t label) {
           return label < std::max<std::size_t>(contents.classes.size(), 1);
         });
}

}  // namespace

std::uint64_t SpoolContents::images() const {
  return std::accumulate(heap_images.begin(), heap_images.end(), std::uint64_t{0});
}

SpoolWriter::SpoolWriter(const fs::path& folder, std::uint64_t shards)
    : folder_(folder), pending_(shards), images_(shards), bytes_(shards) {
  fs::remove_all(folder_);
  make_directories(folder_);
}

void SpoolWriter::add(const SourceItem& item, std::span<const std::byte> bytes) {
  if (item.flaw == Flaw::none) refuse_leading_out(item.key);
  const std::uint64_t shard = plan_key(item.key, pending_.size()).shard;
  const Head head{item.label,  static_cast<std::uint16_t>(item.key.size()), item.flaw, 0, item.bytes,
                  bytes.size()};
  auto& pending = pending_[shard];
  const auto append = [&](std::span<const std::byte> part) {
    pending.insert(pending.end(), part.begin(), part.end());
  };
  append(std::as_bytes(std::span(&head, 1)));
  append(std::as_bytes(std::span(item.key)));
  append(bytes);
  ++images_[shard];
  if (item.flaw == Flaw::none) longest_key_ = std::max<std::uint64_t>(longest_key_, item.key.size());
  if (pending.size() >= kPending) flush(shard);
}

// Opened anew each time: there may be more shards than a process may have files open.
void SpoolWriter::flush(std::uint64_t shard) {
  File file(heap_path(folder_, shard), File::Mode::append);
  file.write(pending_[shard]);
  bytes_[shard] += pending_[shard].size();
  pending_[shard] = {};
}

void SpoolWriter::finish(SpoolContents contents) {
  for (std::uint64_t shard = 0; shard < pending_.size(); ++shard) {
    flush(shard);
    File(heap_path(folder_, shard), File::Mode::append).sync();
  }
  Json json{{"identity", contents.identity}, {"selection", contents.selection}, {"longest_key", longest_key_},
            {"labels", contents.labels},     {"heap_images", images_},          {"heap_bytes", bytes_}};
  json["classes"] = Json::array();
  for (const ClassEntry& c : contents.classes) json["classes"].push_back({c.name, c.wnid});
  const std::string text = json.dump();
  write_text_atomically(folder_ / kContents, hash_text(text).hex() + "\n" + text);
}

std::optional<SpoolContents> read_spool(const fs::path& folder) {
  if (!fs::exists(folder / kContents)) return std::nullopt;
  const std::string all = read_text(folder / kContents);
  const std::string text = all.size() > 33 ? all.substr(33) : "";
  if (text.empty() || hash_text(text).hex() != all.substr(0, 32)) return std::nullopt;
  try {
    SpoolContents contents = contents_of(Json::parse(text));
    if (fits_together(contents)) return contents;
  } catch (const Json::exception&) {  // not what this program writes
  }
  return std::nullopt;
}

bool heap_is_there(const fs::path& folder, const SpoolContents& contents, std::uint64_t shard) {
  std::error_code error;
  const auto bytes = fs::file_size(heap_path(folder, shard), error);
  return !error && bytes == contents.heap_bytes[shard];
}

void remove_heap(const fs::path& folder, std::uint64_t shard) {
  std::error_code error;
  fs::remove(heap_path(folder, shard), error);
  if (error) throw io_error("cannot remove", heap_path(folder, shard), error.value());
}

std::vector<SourceItem> read_heap(const fs::path& folder, const SpoolContents& contents,
                                  std::uint64_t shard) {
  const File file(heap_path(folder, shard), File::Mode::read);
  const std::uint64_t size = file.size();
  const auto demand = [&](bool holds) {
    if (!holds) throw Error(ExitCode::bad_data, fmt::format("{}: damaged", file.path().string()));
  };
  std::vector<std::pair<std::uint64_t, SourceItem>> ordered;
  for (std::uint64_t at = 0; at < size;) {
    Head head;
    demand(size - at >= sizeof head);
    file.read_at(at, std::as_writable_bytes(std::span(&head, 1)));
    at += sizeof head;
    demand(size - at >= head.key_bytes && size - at - head.key_bytes >= head.stored &&
           (head.flaw != Flaw::none || (head.archive < contents.labels.size() && head.stored == head.bytes)));
    SourceItem item{std::string(head.key_bytes, '\0'), 0, head.bytes, at + head.key_bytes, head.flaw};
    file.read_at(at, std::as_writable_bytes(std::span(item.key)));
    demand(is_utf8(item.key) && (head.flaw != Flaw::none || item.key.size() <= contents.longest_key));
    if (head.archive < contents.labels.size()) item.label = contents.labels[head.archive];
    at = item.place + head.stored;
    const std::uint64_t place = plan_key(item.key, contents.heap_images.size()).place;
    ordered.emplace_back(place, std::move(item));
  }
  demand(ordered.size() == contents.heap_images[shard]);
  std::ranges::stable_sort(ordered, {}, [](const auto& o) { return o.first; });
  std::vector<SourceItem> items;
  for (auto& [place, item] : ordered) items.push_back(std::move(item));
  return items;
}

Bytes read_from_heap(const fs::path& folder, std::uint64_t shard, const SourceItem& item) {
  const File file(heap_path(folder, shard), File::Mode::read);
  Bytes bytes(item.bytes);
  file.read_at(item.place, bytes);
  return bytes;
}

}  // namespace vitrail::datasets
