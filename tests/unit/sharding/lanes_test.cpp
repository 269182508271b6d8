#include "sharding/plan/lanes.hpp"

#include <bit>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {
namespace {

TEST(Lanes, RanksCoverAllLanesOnceInOrder) {
  for (std::int64_t lanes = 1; lanes <= 64; lanes *= 2) {
    for (int world = 1; world <= lanes; ++world) {
      std::int64_t next = 0;
      for (int rank = 0; rank < world; ++rank) {
        const LaneRange range = lanes_of_rank(lanes, world, rank);
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.count(), 1);
        next = range.end;
      }
      EXPECT_EQ(next, lanes);
    }
  }
}

TEST(Lanes, BlocksAreAlignedMaximalAndCover) {
  for (std::int64_t begin = 0; begin < 32; ++begin) {
    for (std::int64_t end = begin + 1; end <= 32; ++end) {
      std::int64_t next = begin;
      for (const LaneRange block : aligned_blocks({begin, end})) {
        const std::int64_t size = block.count();
        EXPECT_EQ(block.begin, next);
        EXPECT_TRUE(std::has_single_bit(static_cast<std::uint64_t>(size)));
        EXPECT_EQ(block.begin % size, 0);
        const bool could_be_larger = block.begin % (2 * size) == 0 && block.begin + 2 * size <= end;
        EXPECT_FALSE(could_be_larger) << begin << ".." << end;
        next = block.end;
      }
      EXPECT_EQ(next, end);
    }
  }
}

TEST(Lanes, OneBlockWhenTheWorldIsAPowerOfTwo) {
  for (int world : {1, 2, 4, 8, 16}) {
    for (int rank = 0; rank < world; ++rank)
      EXPECT_EQ(aligned_blocks(lanes_of_rank(16, world, rank)).size(), 1U);
  }
}

TEST(Lanes, BadCountsAreRefusedByName) {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::refused);
      return e.what();
    }
    return "";
  };
  EXPECT_NE(message([] { lanes_of_rank(6, 1, 0); }).find("run.lanes = 6"), std::string::npos);
  EXPECT_NE(message([] { lanes_of_rank(4, 5, 0); }).find("5 ranks for 4 lanes"), std::string::npos);
}

}  // namespace
}  // namespace vitrail::sharding
