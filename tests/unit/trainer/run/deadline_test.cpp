#include "trainer/run/deadline.hpp"

#include <gtest/gtest.h>

namespace vitrail::trainer {
namespace {

constexpr Duration kMargin{60, Duration::Unit::seconds};

TEST(Deadline, ComesWhenAStepAndTwoSavesNoLongerFitBeforeTheMargin) {
  const Deadline::Clock::time_point ends{std::chrono::seconds(1000)};
  const Deadline deadline(ends, kMargin);
  const auto has_come = [&](int seconds_before, double step, double save) {
    return deadline.has_come(ends - std::chrono::seconds(seconds_before), step, save);
  };
  EXPECT_FALSE(has_come(61, 0, 0));
  EXPECT_TRUE(has_come(60, 0, 0));
  EXPECT_FALSE(has_come(91, 10, 10));  // 60 + 10 + 2 * 10
  EXPECT_TRUE(has_come(90, 10, 10));
}

TEST(Deadline, NeverComesWithoutALimitOrAMargin) {
  const Deadline::Clock::time_point now{std::chrono::seconds(1000)};
  EXPECT_FALSE(Deadline(std::nullopt, kMargin).has_come(now, 1e9, 1e9));
  EXPECT_FALSE(Deadline(now, {0, Duration::Unit::seconds}).has_come(now, 1e9, 1e9));
}

}  // namespace
}  // namespace vitrail::trainer
