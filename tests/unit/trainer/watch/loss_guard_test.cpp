#include "trainer/watch/loss_guard.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace vitrail::trainer {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

LossGuard after_good_steps(GuardConfig config, int steps) {
  LossGuard guard(config);
  for (int i = 0; i < steps; ++i) guard.look_at(1.0 + 0.01 * (i % 10), 1);
  return guard;
}

TEST(LossGuard, IsOffWithoutAFactor) {
  LossGuard guard = after_good_steps({}, 20);
  guard.look_at(kInfinity, 1);
  EXPECT_FALSE(guard.is_bad());
}

TEST(LossGuard, RunsAwayAfterSoManyBadStepsInARow) {
  LossGuard guard = after_good_steps({.loss_factor = 3, .patience = 2}, 20);
  guard.look_at(3.5, 1);
  EXPECT_TRUE(guard.is_bad());
  EXPECT_FALSE(guard.has_diverged());
  guard.look_at(1.0, 1);  // only a jump
  EXPECT_FALSE(guard.is_bad());
  guard.look_at(3.5, 1);
  guard.look_at(3.5, 1);
  EXPECT_TRUE(guard.has_diverged());
}

TEST(LossGuard, WhatIsNotFiniteIsBadFromTheFirstStepOn) {
  LossGuard guard({.loss_factor = 3, .patience = 1});
  guard.look_at(100, 1);
  guard.look_at(1, 1);
  EXPECT_FALSE(guard.is_bad()) << "too few losses to know what is normal";
  guard.look_at(1, kInfinity);
  EXPECT_TRUE(guard.has_diverged());
}

TEST(LossGuard, BadLossesDoNotMoveTheMedianAndOldOnesAreForgotten) {
  LossGuard guard = after_good_steps({.loss_factor = 3, .patience = 1000}, 20);
  const double median = guard.median();
  EXPECT_NEAR(median, 1.05, 0.011);
  for (int i = 0; i < 200; ++i) guard.look_at(50, 1);
  EXPECT_EQ(guard.median(), median);
  for (std::size_t i = 0; i < LossGuard::kWindow; ++i) guard.look_at(0.5, 1);
  EXPECT_EQ(guard.median(), 0.5);
}

}  // namespace
}  // namespace vitrail::trainer
