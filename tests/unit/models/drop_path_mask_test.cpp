#include "models/layers/drop_path_mask.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include <gtest/gtest.h>

namespace vitrail::models {
namespace {

TEST(DropPathMaskTest, EveryImageIsKeptWithItsProbability) {
  constexpr int kSteps = 125'000, kImages = 8;
  constexpr double kRate = 0.3;
  std::vector<int> kept(kImages);
  int both = 0, all = 0;
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    const auto rows = draw_kept_images({.seed = 5, .step = step}, kRate, kImages);
    for (const std::int64_t row : rows) ++kept.at(static_cast<std::size_t>(row));
    both += std::ranges::count(rows, 2) == 1 && std::ranges::count(rows, 3) == 1 ? 1 : 0;
    all += rows.size() == kImages ? 1 : 0;
  }
  // Five standard deviations of a binomial count.
  for (const int count : kept) EXPECT_NEAR(count, 0.7 * kSteps, 5 * std::sqrt(0.21 * kSteps));
  EXPECT_NEAR(both, 0.49 * kSteps, 5 * std::sqrt(0.25 * kSteps));  // independent images
  EXPECT_NEAR(all, 0.0576 * kSteps, 5 * std::sqrt(0.0543 * kSteps));
}

TEST(DropPathMaskTest, NoDrawKeepsMoreThanTheLargest) {
  EXPECT_EQ(largest_kept(0.5, 64), 56);  // 32 + 6 * 4
  EXPECT_EQ(largest_kept(0.5, 4), 4);
  EXPECT_EQ(largest_kept(0.0, 64), 64);
  for (std::uint64_t step = 0; step < 100'000; ++step) {
    ASSERT_LE(draw_kept_images({.step = step}, 0.5, 64).size(), 56U);
  }
}

TEST(DropPathMaskTest, EveryPartOfTheKeyMatters) {
  constexpr std::int64_t kImages = 64;
  std::set<std::vector<std::int64_t>> seen;
  const auto fresh = [&](const DropPathKey& key) {
    return seen.insert(draw_kept_images(key, 0.5, kImages)).second;
  };
  EXPECT_TRUE(fresh({}));
  EXPECT_TRUE(fresh({.seed = 1}));
  EXPECT_TRUE(fresh({.step = 1}));
  EXPECT_TRUE(fresh({.lane = 1}));
  EXPECT_TRUE(fresh({.layer = 1}));
  EXPECT_TRUE(fresh({.branch = 1}));
  EXPECT_TRUE(fresh({.layer = 1, .branch = 1}));
  EXPECT_FALSE(fresh({}));
}

// Four branches a layer, as two attention branches and two MLPs in parallel: no two share a draw.
TEST(DropPathMaskTest, EveryBranchOfEveryLayerHasItsOwnDraw) {
  std::set<std::vector<std::int64_t>> seen;
  for (int layer = 0; layer < 26; ++layer) {
    for (int branch = 0; branch < 4; ++branch)
      seen.insert(draw_kept_images({.layer = layer, .branch = branch, .branches = 4}, 0.5, 64));
  }
  EXPECT_EQ(seen.size(), 26U * 4);
}

TEST(DropPathMaskTest, AnImagesFateDoesNotDependOnTheBatch) {
  const auto large = draw_kept_images({.seed = 9}, 0.5, 100);
  for (const std::int64_t images : {0, 1, 7, 50}) {
    std::vector<std::int64_t> prefix;
    std::ranges::copy_if(large, std::back_inserter(prefix), [&](std::int64_t row) { return row < images; });
    EXPECT_EQ(draw_kept_images({.seed = 9}, 0.5, images), prefix);
  }
}

TEST(DropPathMaskTest, RateZeroKeepsAll) {
  EXPECT_EQ(draw_kept_images({}, 0, 3), (std::vector<std::int64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace vitrail::models
