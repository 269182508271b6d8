#include "launcher/plan/timeline.hpp"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

namespace vitrail::launcher {
namespace {

TEST(PlanTimelines, OnlyWhatOutlastsBackwardIsExposed) {
  EXPECT_EQ(exposed_after_backward(10, {}), 0);
  // Computed at 5 and at 10; sent by 7 and by 12.
  EXPECT_DOUBLE_EQ(exposed_after_backward(10, {{2, 0.5}, {2, 0.5}}), 2);
  // The link is the slower one: 5 + 6 + 6, then the vectors.
  EXPECT_DOUBLE_EQ(exposed_after_backward(10, {{6, 0.5}, {6, 0.5}, {1, 0}}), 8);
  EXPECT_DOUBLE_EQ(exposed_after_backward(10, {{4, 0.9}, {0, 0.1}}), 3);
}

TEST(PlanTimelines, ForwardWaitsForTheWeightsOfEachLayer) {
  EXPECT_EQ(exposed_in_forward(10, {}), 0);
  // Vectors by 1, the first half by 3: it is computed by 8, when the second has long come.
  EXPECT_DOUBLE_EQ(exposed_in_forward(10, {{1, 0}, {2, 0.5}, {2, 0.5}}), 3);
  // The second half comes by 12 and is computed by 17.
  EXPECT_DOUBLE_EQ(exposed_in_forward(10, {{6, 0.5}, {6, 0.5}}), 7);
}

// Order statistics of normal samples: 1/sqrt(pi) and 3/(2 sqrt(pi)) exactly; Harter 1961 for the others.
TEST(PlanTimelines, TheLargestOfNormalDraws) {
  EXPECT_NEAR(largest_of_normals(1), 0, 1e-6);
  EXPECT_NEAR(largest_of_normals(2), 1 / std::sqrt(std::numbers::pi), 1e-6);
  EXPECT_NEAR(largest_of_normals(3), 1.5 / std::sqrt(std::numbers::pi), 1e-6);
  EXPECT_NEAR(largest_of_normals(10), 1.53875, 1e-5);
  EXPECT_NEAR(largest_of_normals(100), 2.50759, 1e-5);
}

// 64 GPUs that fail every 126 h together: 50 minutes where a checkpoint takes 10 s, 16 where it takes 1 s.
TEST(PlanTimelines, TheBestIntervalOfCheckpoints) {
  EXPECT_NEAR(best_interval(10, 126 * 3600), 50 * 60, 30);
  EXPECT_NEAR(best_interval(1, 126 * 3600), 16 * 60, 30);
}

}  // namespace
}  // namespace vitrail::launcher
