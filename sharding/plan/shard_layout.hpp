// Who holds what: the lanes that a rank computes, and the slices of every bucket whose sums and state it has.
// A pure value: of the stage, the world and the order in which the ranks' slices lie. The only place that
// compares sharding.stage. Throws: as lanes_of_rank().
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/plan/lanes.hpp"

namespace vitrail::sharding {

// What sharding.stage means.
struct Stage {
  bool shards_state = true;      // else every rank holds and updates all slices
  bool frees_gradients = false;  // a bucket's gradients go when it has been exchanged: one lane a rank

  bool operator==(const Stage&) const = default;
};
Stage stage_of(std::int64_t stage);

// The order in which the ranks' slices lie in a bucket; every rank owns as many slices as it has lanes.
enum class SliceOrder {
  by_rank,       // of rank 0 first: each rank owns the slices of its lanes
  bit_reversed,  // of ranks with even lanes first, of those the ones with lanes 0, 4, 8, ..., and so on
};

std::vector<LaneRange> slices_of_ranks(std::int64_t lanes, int world, SliceOrder order);

struct ShardLayout {
  LaneRange lanes;  // computed by this rank
  LaneRange own;    // slices: their sums end here, it says their norms and saves their state
  LaneRange held;   // slices: it has their sums and state and updates them; own, or all
  Stage stage{};
  int full_sums = 0;  // whole gradients that are kept at once while its lanes are added

  bool shares_sums() const { return held != own; }  // every rank updates all: sums are gathered, not weights
};

// `own`: the rank's of slices_of_ranks().
ShardLayout shard_layout(Stage stage, std::int64_t lanes, int world, int rank, LaneRange own);

}  // namespace vitrail::sharding
