#include "sharding/plan/shard_layout.hpp"

#include <algorithm>
#include <bit>

#include <gtest/gtest.h>

namespace vitrail::sharding {
namespace {

TEST(ShardLayout, RanksOwnAllSlicesOnceAndAsManyAsTheyHaveLanes) {
  for (std::int64_t lanes = 1; lanes <= 64; lanes *= 2) {
    for (int world = 1; world <= lanes; ++world) {
      for (const SliceOrder order : {SliceOrder::by_rank, SliceOrder::bit_reversed}) {
        std::vector<LaneRange> slices = slices_of_ranks(lanes, world, order);
        for (int rank = 0; rank < world; ++rank) {
          const LaneRange own = slices[static_cast<std::size_t>(rank)];
          EXPECT_EQ(own.count(), lanes_of_rank(lanes, world, rank).count());
          if (order == SliceOrder::by_rank) {
            EXPECT_EQ(own, lanes_of_rank(lanes, world, rank));
          }
        }
        std::ranges::sort(slices, {}, &LaneRange::begin);
        std::int64_t next = 0;
        for (const LaneRange own : slices) {
          EXPECT_EQ(own.begin, next);
          next = own.end;
        }
        EXPECT_EQ(next, lanes);
      }
    }
  }
}

TEST(ShardLayout, ReversedBitsLetHalvesLieTogether) {
  EXPECT_EQ(slices_of_ranks(8, 4, SliceOrder::bit_reversed),
            (std::vector<LaneRange>{{0, 2}, {4, 6}, {2, 4}, {6, 8}}));
}

TEST(ShardLayout, StagesSayWhatIsHeld) {
  for (const std::int64_t stage : {0, 1, 2}) {
    const ShardLayout layout = shard_layout(stage_of(stage), 8, 4, 1, {4, 6});
    EXPECT_EQ(layout.lanes, (LaneRange{2, 4}));
    EXPECT_EQ(layout.own, (LaneRange{4, 6}));
    EXPECT_EQ(layout.held, stage == 0 ? (LaneRange{0, 8}) : layout.own);
    EXPECT_EQ(layout.shares_sums(), stage == 0);
    EXPECT_EQ(layout.stage.frees_gradients, stage == 2);
  }
  EXPECT_FALSE(shard_layout(stage_of(0), 8, 1, 0, {0, 8}).shares_sums());  // alone it has them all
}

// The tree as a stack: what is left after each lane, and how many were there at once.
TEST(ShardLayout, FullSumsAreThoseOfAStackThatAddsSiblings) {
  for (std::int64_t lanes = 1; lanes <= 1024; lanes *= 2) {
    for (int world = 1; world <= lanes; world += world < 100 ? 1 : 37) {
      for (int rank = 0; rank < world; ++rank) {
        const LaneRange own = lanes_of_rank(lanes, world, rank);
        std::vector<LaneRange> stack;
        std::size_t most = 0;
        for (std::int64_t lane = own.begin; lane < own.end; ++lane) {
          LaneRange node{lane, lane + 1};
          while (!stack.empty() && stack.back().count() == node.count() &&
                 stack.back().begin % (2 * node.count()) == 0) {
            node.begin = stack.back().begin;
            stack.pop_back();
          }
          stack.push_back(node);
          most = std::max(most, stack.size());
        }
        EXPECT_EQ(stack, aligned_blocks(own));
        const int sums = full_sums(own);
        EXPECT_EQ(static_cast<std::size_t>(sums), most);
        EXPECT_LE(sums, std::countr_zero(static_cast<std::uint64_t>(lanes)) + 2) << world << " ranks";
        if (std::has_single_bit(static_cast<unsigned>(world))) {
          EXPECT_EQ(sums, std::max(1, std::countr_zero(static_cast<std::uint64_t>(own.count()))));
        }
      }
    }
  }
  EXPECT_LE(full_sums(lanes_of_rank(64, 3, 1)), 6);
}

}  // namespace
}  // namespace vitrail::sharding
