#include "datasets/pack/pack_info.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "datasets/pack/pack_index.hpp"

namespace vitrail::datasets {

PackInfo pack_info(const std::filesystem::path& pack) {
  const PackIndex index(pack);
  index.check_shards();
  const Manifest& m = index.manifest();
  PackInfo info{pack.string(), m, index.fingerprint(), m.index.file.bytes + m.quarantine.bytes};
  for (const ShardEntry& shard : m.shards) info.bytes += shard.file.bytes;
  info.class_images.assign(m.classes.size(), 0);
  info.record_bytes_min = std::numeric_limits<std::uint64_t>::max();
  for (std::uint64_t image = 0; image < m.images; ++image) {
    if (!m.classes.empty()) ++info.class_images[index.label(image)];
    const RecordPlace place = index.place(image);
    const std::uint64_t bytes = place.end - place.begin;
    info.record_bytes += bytes;
    info.record_bytes_min = std::min(info.record_bytes_min, bytes);
    info.record_bytes_max = std::max(info.record_bytes_max, bytes);
  }
  if (m.classes.empty()) return info;
  const auto [least, most] = std::ranges::minmax(info.class_images);
  info.class_images_min = least;
  info.class_images_max = most;
  return info;
}

std::string to_json(const PackInfo& info) {
  const Manifest& m = info.manifest;
  nlohmann::ordered_json json;
  json["path"] = info.path;
  json["version"] = kPackVersion;
  json["id"] = m.id;
  json["fingerprint"] = info.fingerprint;
  json["split"] = m.split;
  json["source"] = m.source;
  json["reencode"] = m.reencode;
  json["selection"] = m.selection;
  json["source_images"] = m.source_images;
  json["images"] = m.images;
  json["quarantined"] = m.quarantined;
  json["classes"] = m.classes.size();
  json["class_images"] = {{"min", info.class_images_min}, {"max", info.class_images_max}};
  json["record_bytes"] = {
      {"min", info.record_bytes_min}, {"max", info.record_bytes_max}, {"total", info.record_bytes}};
  json["histogram"] = nlohmann::ordered_json::array();
  for (std::size_t c = 0; c < m.classes.size(); ++c) {
    json["histogram"].push_back(
        {{"name", m.classes[c].name}, {"wnid", m.classes[c].wnid}, {"images", info.class_images[c]}});
  }
  json["shards"] = m.shards.size();
  json["bytes"] = info.bytes;
  // A folder's name need not be UTF-8, JSON must be.
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string to_text(const PackInfo& info) {
  const Manifest& m = info.manifest;
  const auto mean =
      static_cast<double>(info.record_bytes) / static_cast<double>(std::max<std::uint64_t>(1, m.images));
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<12} {}\n", name, value);
  };
  line("pack", fmt::format("{} (format {})", info.path, kPackVersion));
  line("split", m.split);
  line("source", fmt::format("{}, re-encoded: {}", m.source, m.reencode));
  if (!m.selection.empty()) line("selection", m.selection);
  line("images",
       fmt::format("{} of {}; {} in {}", m.images, m.source_images, m.quarantined, kQuarantineFile));
  line("classes", m.classes.empty() ? "none: images without labels"
                                    : fmt::format("{} of {} to {} images", m.classes.size(),
                                                  info.class_images_min, info.class_images_max));
  line("record",
       fmt::format("{} to {} bytes, {:.0f} on average", info.record_bytes_min, info.record_bytes_max, mean));
  line("files",
       fmt::format("{} shard(s), {:.1f} MB", m.shards.size(), static_cast<double>(info.bytes) / 1e6));
  line("fingerprint", info.fingerprint);
  return text;
}

}  // namespace vitrail::datasets
