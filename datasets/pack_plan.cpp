#include "datasets/pack_plan.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "trainer/base/hash.hpp"

namespace vitrail::datasets {

std::uint64_t shard_count(std::uint64_t bytes, std::uint64_t shard_bytes) {
  return std::max<std::uint64_t>(1, bytes / shard_bytes + (bytes % shard_bytes == 0 ? 0 : 1));
}

PlanKey plan_key(std::string_view key, std::uint64_t shards) {
  const Hash128 hash = hash_bytes(std::as_bytes(std::span(key)));
  return {hash.high % shards, hash.low};
}

std::vector<std::vector<std::uint32_t>> plan_shards(const Listing& listing, std::uint64_t shards) {
  std::vector<std::vector<std::pair<std::uint64_t, std::uint32_t>>> ordered(shards);
  for (std::uint32_t i = 0; i < listing.size(); ++i) {
    const PlanKey key = plan_key(listing.key(i), shards);
    ordered[key.shard].emplace_back(key.place, i);
  }
  std::vector<std::vector<std::uint32_t>> plan(shards);
  for (std::size_t s = 0; s < shards; ++s) {
    std::ranges::sort(ordered[s]);
    plan[s].reserve(ordered[s].size());
    for (const auto& [place, item] : ordered[s]) plan[s].push_back(item);
    ordered[s] = {};
  }
  return plan;
}

}  // namespace vitrail::datasets
