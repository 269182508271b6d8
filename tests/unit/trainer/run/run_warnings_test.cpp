#include "trainer/run/run_warnings.hpp"

#include <numeric>

#include <gmock/gmock.h>

#include "sharding/plan/lanes.hpp"

namespace vitrail::trainer {
namespace {

using testing::ElementsAre;

TEST(RunWarnings, WhatPackingWouldGainIsOneLine) {
  datasets::DataConfig data;
  for (const char* source : {"folder:photos", "wds:a-{0..9}.tar", "csv:list.csv"}) {
    data.train = source;
    const std::string line = unpacked_data(data);
    EXPECT_THAT(line, testing::HasSubstr(std::string("vitrail pack --source ") + source + " --output PACK"));
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
  for (const char* source : {"packs/photos", "tensor:a.safetensors", "synthetic:9,3,8"}) {
    data.train = source;
    EXPECT_EQ(unpacked_data(data), "") << source;
  }
}

TEST(UnevenLanes, NumbersAndWhatWouldFit) {
  EXPECT_EQ(
      uneven_lanes(4, 3),
      "3 ranks share 4 micro-batches (run.lanes) unevenly: 1 of them compute 2 a step and the others 1, so "
      "33 % of the ranks' time is spent waiting; 2 or 4 ranks share them evenly");
  for (const int ranks : {1, 2, 4, 8, 16}) EXPECT_EQ(uneven_lanes(16, ranks), "") << ranks;
  EXPECT_EQ(uneven_lanes(4, 5), "") << "an error of its own";
}

// Against what ranks really hold.
TEST(UnevenLanes, AsLanesAreDealt) {
  for (const int ranks : {3, 5, 6, 7, 12, 31}) {
    std::vector<std::int64_t> counts;
    for (int rank = 0; rank < ranks; ++rank)
      counts.push_back(sharding::lanes_of_rank(32, ranks, rank).count());
    const std::int64_t most = *std::ranges::max_element(counts);
    EXPECT_THAT(uneven_lanes(32, ranks),
                testing::HasSubstr(fmt::format("{} of them compute {} a step and the others {},",
                                               std::ranges::count(counts, most), most, most - 1)))
        << ranks;
  }
}

TEST(Crowded, ThreadsThatFitAreNotMentioned) {
  EXPECT_THAT(crowded({{"a", "0", 1}, {"a", "1", 1}}, 1, 1), ElementsAre());
  EXPECT_THAT(crowded({{"a", "0-7", 8}, {"a", "0-7", 8}}, 4, 4), ElementsAre());
  EXPECT_THAT(crowded({{"a", "0-7", 8}}, 8, 8), ElementsAre());
}

TEST(Crowded, OnOneProcessor) {
  EXPECT_THAT(
      crowded({{"n1", "0", 1}}, 8, 16),
      ElementsAre("n1: 8 compute threads (run.threads = 8) and 16 loader threads (data.workers = 16) for 1 "
                  "processor; at most 1 each would fit"));
}

TEST(Crowded, RanksWithTheSameMaskShareIt) {
  EXPECT_THAT(
      crowded({{"a", "0-7", 8}, {"a", "0-7", 8}, {"b", "0-7", 8}}, 5, 1),
      ElementsAre("a: 10 compute threads (2 ranks x run.threads = 5) for 8 processors; at most 4 each would "
                  "fit"));
  EXPECT_THAT(crowded({{"a", "0-1", 2}, {"a", "0-1", 2}, {"a", "0-1", 2}}, 1, 1),
              ElementsAre("a: 3 compute threads (3 ranks x run.threads = 1) and 3 loader threads (3 ranks x "
                          "data.workers = 1) for 2 processors; fewer ranks would fit"));
}

TEST(Crowded, NodesThatAreAlikeAreSaidOnce) {
  EXPECT_EQ(crowded({{"a", "0", 1}, {"a", "1", 1}, {"b", "0", 1}}, 2, 1).size(), 1);
}

}  // namespace
}  // namespace vitrail::trainer
