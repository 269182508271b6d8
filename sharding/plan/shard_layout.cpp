#include "sharding/plan/shard_layout.hpp"

#include <algorithm>
#include <numeric>

namespace vitrail::sharding {
namespace {

std::int64_t reversed_bits(std::int64_t lane, std::int64_t lanes) {
  std::int64_t reversed = 0;
  for (std::int64_t bit = 1; bit < lanes; bit *= 2) {
    reversed = 2 * reversed + ((lane & bit) != 0 ? 1 : 0);
  }
  return reversed;
}

std::vector<int> ranks_in_order(std::int64_t lanes, int world, SliceOrder order) {
  std::vector<int> ranks(static_cast<std::size_t>(world));
  std::iota(ranks.begin(), ranks.end(), 0);
  if (order == SliceOrder::bit_reversed) {
    std::ranges::sort(
        ranks, {}, [&](int rank) { return reversed_bits(lanes_of_rank(lanes, world, rank).begin, lanes); });
  }
  return ranks;
}

}  // namespace

Stage stage_of(std::int64_t stage) { return {.shards_state = stage > 0, .frees_gradients = stage > 1}; }

std::vector<LaneRange> slices_of_ranks(std::int64_t lanes, int world, SliceOrder order) {
  std::vector<LaneRange> slices(static_cast<std::size_t>(world));
  std::int64_t begin = 0;
  for (const int rank : ranks_in_order(lanes, world, order)) {
    const std::int64_t count = lanes_of_rank(lanes, world, rank).count();
    slices[static_cast<std::size_t>(rank)] = {begin, begin + count};
    begin += count;
  }
  return slices;
}

ShardLayout shard_layout(Stage stage, std::int64_t lanes, int world, int rank, LaneRange own) {
  ShardLayout layout;
  layout.lanes = lanes_of_rank(lanes, world, rank);
  layout.own = own;
  layout.held = stage.shards_state ? layout.own : LaneRange{0, lanes};
  layout.stage = stage;
  layout.full_sums = full_sums(layout.lanes);
  return layout;
}

}  // namespace vitrail::sharding
