#include "sharding/state/loss_scale.hpp"

#include <gtest/gtest.h>

namespace vitrail::sharding {
namespace {

LossScale after(LossScale s, const LossScaleConfig& config, int steps, bool finite) {
  for (int i = 0; i < steps; ++i) s = after_step(s, config, finite);
  return s;
}

TEST(LossScale, DoublesAfterARowOfGoodStepsAndHalvesAtOnce) {
  const LossScaleConfig config{.initial = 1024, .window = 3};
  LossScale s{.scale = config.initial};
  s = after(s, config, 2, true);
  EXPECT_EQ(s.scale, 1024);
  s = after(s, config, 1, false);  // the row begins anew
  EXPECT_EQ(s, (LossScale{.scale = 512, .good_steps = 0, .skipped = 1, .skipped_at_floor = 0}));
  EXPECT_EQ(after(s, config, 2, true).scale, 512);
  EXPECT_EQ(after(s, config, 3, true).scale, 1024);
  EXPECT_EQ(after(s, config, 9, true).scale, 4096);
}

TEST(LossScale, StaysWhereItIsWithoutAWindow) {
  const LossScaleConfig bf16{.initial = 1, .window = 0};
  EXPECT_EQ(after({}, bf16, 5000, true), LossScale{});
}

TEST(LossScale, OnlyStepsSkippedAtTheFloorAreHopeless) {
  const LossScaleConfig config{.initial = 65536, .window = 2000};
  LossScale s = after({.scale = 65536}, config, 16, false);
  EXPECT_EQ(s.scale, 1);
  EXPECT_EQ(s.skipped, 16);
  EXPECT_EQ(s.skipped_at_floor, 0);
  s = after(s, config, kHopelessSkips - 1, false);
  EXPECT_FALSE(is_hopeless(s));
  EXPECT_FALSE(is_hopeless(after(after(s, config, 1, true), config, 1, false)));
  EXPECT_TRUE(is_hopeless(after(s, config, 1, false)));
}

}  // namespace
}  // namespace vitrail::sharding
