#include "trainer/base/text/nearest.hpp"

#include <gtest/gtest.h>

namespace vitrail {
namespace {

TEST(Nearest, FewestEdits) {
  const std::vector<std::string> known = {"run.lanes", "run.name", "model.name", "optimizer.lr"};
  EXPECT_EQ(nearest_name("run.lanez", known), "run.lanes");
  EXPECT_EQ(nearest_name("model.nam", known), "model.name");
  EXPECT_EQ(nearest_name("optimiser.lr", known), "optimizer.lr");
  EXPECT_EQ(nearest_name("vit_b61", {"vit_ti16", "vit_s16", "vit_b16"}), "vit_b16");
}

TEST(Nearest, WithoutASectionTheLastPartCounts) {
  EXPECT_EQ(nearest_name("lanes", {"run.name", "run.lanes"}), "run.lanes");
  EXPECT_EQ(nearest_name("x.lr", {"run.lr", "a.lr", "xb.lr"}), "a.lr");
}

TEST(Nearest, TheFirstOfTheNearestAndNothingOfNothing) {
  EXPECT_EQ(nearest_name("abcd", {"abxx", "abcx", "abcy"}), "abcx");
  EXPECT_EQ(nearest_name("anything", {}), "");
}

// A hint that leads elsewhere is worse than none.
TEST(Nearest, TwoThirdsOfTheLettersHaveToBeTheSame) {
  EXPECT_EQ(nearest_name("report", {"pack", "info", "export"}), "");
  EXPECT_EQ(nearest_name("doctor", {"pack", "info", "export"}), "");
  EXPECT_EQ(nearest_name("wandb", {"run.lanes", "run.name"}), "");
  EXPECT_EQ(nearest_name("", {"abc", "ab"}), "");
}

TEST(Nearest, ASwapIsOneEdit) { EXPECT_EQ(nearest_name("trian", {"triangle", "brain", "train"}), "train"); }

}  // namespace
}  // namespace vitrail
