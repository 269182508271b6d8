#include "trainer/tasks/scores.hpp"

#include <limits>

#include <gmock/gmock.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

TEST(Scores, AreFoundByNameOrRefusedWithThoseThatThereAre) {
  const Scores scores{10, {top1_score(50), loss_score(0.5)}};
  EXPECT_EQ(scores["top1"], 50);
  EXPECT_EQ(scores["loss"], 0.5);
  try {
    scores.at("top5");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_STREQ(e.what(), "this evaluation has no top5, but top1, loss");
  }
  EXPECT_EQ(describe(scores), "top-1 50.00 %, loss 0.5000");
}

TEST(Scores, TheBetterOneIsHigherOrLowerByItsKindAndFinite) {
  EXPECT_TRUE(is_better(top1_score(51), 50));
  EXPECT_FALSE(is_better(top1_score(50), 50));
  EXPECT_TRUE(is_better(loss_score(0.4), 0.5));
  EXPECT_FALSE(is_better(loss_score(0.6), 0.5));
  EXPECT_TRUE(is_better(loss_score(7), std::nullopt));
  EXPECT_FALSE(is_better(loss_score(std::numeric_limits<double>::quiet_NaN()), std::nullopt));
  EXPECT_FALSE(is_better(top1_score(std::numeric_limits<double>::infinity()), 50));
}

}  // namespace
}  // namespace vitrail::trainer
