// Which image goes where in a pack: a pure function of the source's listing and the target size, decided by a
// hash of each image's key, so that classes are mixed over and inside the shards whatever order the source
// has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "datasets/source_listing.hpp"

namespace vitrail::datasets {

// An image's shard, and its place among the shard's images.
struct PlanKey {
  std::uint64_t shard = 0;
  std::uint64_t place = 0;  // images are in the order of these
};

std::uint64_t shard_count(std::uint64_t bytes, std::uint64_t shard_bytes);
PlanKey plan_key(std::string_view key, std::uint64_t shards);

// For every shard its images (positions in `listing`) in the order they are written.
std::vector<std::vector<std::uint32_t>> plan_shards(const Listing& listing, std::uint64_t shards);

}  // namespace vitrail::datasets
