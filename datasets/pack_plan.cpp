#include "datasets/pack_plan.hpp"

#include <algorithm>
#include <utility>

#include "trainer/base/hash.hpp"

namespace vitrail::datasets {

std::uint64_t shard_count(const std::vector<SourceItem>& items, std::uint64_t shard_bytes) {
  std::uint64_t bytes = 0;
  for (const SourceItem& item : items) bytes += item.bytes;
  return std::max<std::uint64_t>(1, (bytes + shard_bytes - 1) / shard_bytes);
}

std::uint64_t shard_of(const std::string& key, std::uint64_t shards) { return hash_text(key).high % shards; }

std::vector<std::vector<std::size_t>> plan_shards(const std::vector<SourceItem>& items,
                                                  std::uint64_t shards) {
  std::vector<std::vector<std::pair<std::uint64_t, std::size_t>>> ordered(shards);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Hash128 hash = hash_text(items[i].key);
    ordered[hash.high % shards].emplace_back(hash.low, i);
  }
  std::vector<std::vector<std::size_t>> plan(shards);
  for (std::size_t s = 0; s < shards; ++s) {
    std::ranges::sort(ordered[s]);
    for (const auto& [hash, item] : ordered[s]) plan[s].push_back(item);
    ordered[s] = {};
  }
  return plan;
}

}  // namespace vitrail::datasets
