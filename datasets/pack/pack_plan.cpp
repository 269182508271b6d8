#include "datasets/pack/pack_plan.hpp"

#include <algorithm>
#include <span>

#include "trainer/base/hash.hpp"

namespace vitrail::datasets {

std::uint64_t shard_count(std::uint64_t bytes, std::uint64_t shard_bytes) {
  return std::max<std::uint64_t>(1, bytes / shard_bytes + (bytes % shard_bytes == 0 ? 0 : 1));
}

PlanKey plan_key(std::string_view key, std::uint64_t shards) {
  const Hash128 hash = hash_bytes(std::as_bytes(std::span(key)));
  return {hash.high % shards, hash.low};
}

}  // namespace vitrail::datasets
