#include "trainer/watch/slow_ranks.hpp"

#include <functional>

#include <gtest/gtest.h>

#include "trainer/base/philox.hpp"

namespace vitrail::trainer {
namespace {

// Steps of four ranks that take 0.1 s, up to `noise` more or less.
std::vector<OwnWork> a_step(Philox& random, double noise) {
  std::vector<OwnWork> step;
  for (int rank = 0; rank < 4; ++rank) step.push_back({0.01, 0.09 + noise * (2 * random.uniform() - 1)});
  return step;
}

std::vector<SlowRank> after(int steps, double noise,
                            const std::function<void(int, std::vector<OwnWork>&)>& change) {
  SlowRanks ranks(1.3);
  Philox random(1, Purpose::test, 0, 0);
  std::vector<SlowRank> all;
  for (int i = 0; i < steps; ++i) {
    auto step = a_step(random, noise);
    change(i, step);
    for (const SlowRank& slow : ranks.add(step)) all.push_back(slow);
  }
  return all;
}

TEST(SlowRanks, NamesTheOneThatIsSlowWithinFiftySteps) {
  const auto found = after(50, 0.02, [](int, auto& step) { step[2].compute += 0.04; });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rank, 2);
  EXPECT_NEAR(found[0].factor, 1.4, 0.1);
  EXPECT_FALSE(found[0].by_data);
}

TEST(SlowRanks, IsNotSaidAllTheTime) {
  EXPECT_EQ(after(1000, 0, [](int, auto& step) { step[2].compute += 0.04; }).size(), 2U);
}

TEST(SlowRanks, OneBadMomentOrLessThanAnyHarmNamesNobody) {
  EXPECT_TRUE(after(100, 0, [](int i, auto& step) { step[1].compute += i < 25 ? 1 : 0; }).empty());
  SlowRanks ranks(1.3);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ranks.add({{0, 0.001}, {0, 0.004}}).empty());
}

TEST(SlowRanks, SaysWhetherItWaitsForData) {
  const auto found = after(45, 0, [](int, auto& step) { step[0].data += 0.05; });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rank, 0);
  EXPECT_TRUE(found[0].by_data);
}

TEST(SlowRanks, NoiseAndSingleLongStepsNameNobody) {
  EXPECT_TRUE(after(400, 0.03, [](int i, auto& step) {
                if (i % 5 == 0) step[static_cast<std::size_t>(i / 5 % 4)].compute += 1;
              }).empty());
}

TEST(SlowRanks, OneRankHasNobodyToBeComparedWith) {
  SlowRanks ranks(1.3);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ranks.add({{1, 1}}).empty());
}

TEST(SlowRanks, OffAtZero) {
  SlowRanks ranks(0);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ranks.add({{1, 1}, {9, 9}}).empty());
}

}  // namespace
}  // namespace vitrail::trainer
