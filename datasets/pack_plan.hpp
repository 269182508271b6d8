// Which image goes where in a pack: a pure function of the source's listing and the target size, decided by a
// hash of each image's key, so that classes are mixed over and inside the shards whatever order the source
// has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "datasets/pack_sources.hpp"

namespace vitrail::datasets {

std::uint64_t shard_count(const std::vector<SourceItem>& items, std::uint64_t shard_bytes);
std::uint64_t shard_of(const std::string& key, std::uint64_t shards);

// For every shard its items (positions in `items`) in the order they are written.
std::vector<std::vector<std::size_t>> plan_shards(const std::vector<SourceItem>& items, std::uint64_t shards);

}  // namespace vitrail::datasets
