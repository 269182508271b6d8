// Which image goes where in a pack: decided by a hash of each image's key, so that classes are mixed over and
// inside the shards whatever order the source has.
#pragma once

#include <cstdint>
#include <string_view>

namespace vitrail::datasets {

// An image's shard, and its place among the shard's images.
struct PlanKey {
  std::uint64_t shard = 0;
  std::uint64_t place = 0;  // images are in the order of these
};

std::uint64_t shard_count(std::uint64_t bytes, std::uint64_t shard_bytes);
PlanKey plan_key(std::string_view key, std::uint64_t shards);

}  // namespace vitrail::datasets
