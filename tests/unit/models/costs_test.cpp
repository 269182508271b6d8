
#include <cmath>

#include <gtest/gtest.h>

#include "models/families/catalogue.hpp"
#include "models/layers/drop_path_mask.hpp"

namespace vitrail::models {
namespace {

// Of vit_s16: a norm of 5 an element, four linear layers and two products; a norm, and two layers of four
// times the width.
constexpr std::int64_t kTokens = 197, kWidth = 384;
constexpr std::int64_t kAttention =
    5 * kTokens * kWidth + 4 * kTokens * kWidth * kWidth + 2 * kTokens * kTokens * kWidth;
constexpr std::int64_t kMlp = 5 * kTokens * kWidth + 8 * kTokens * kWidth * kWidth;
// Of the last block: what patches ask, and what becomes of them.
constexpr std::int64_t kUnreadAttention = (kTokens - 1) * (2 * kWidth * kWidth + 2 * kTokens * kWidth);
constexpr std::int64_t kUnreadMlp = (kTokens - 1) * (5 * kWidth + 8 * kWidth * kWidth);

ModelConfig model(const std::string& name, double drop_path, std::int64_t depth) {
  ModelConfig config;
  config.name = name;
  config.drop_path = drop_path;
  config.depth = depth;
  return config;
}

// The very draws that training makes, each kept row at the price of its branch.
TEST(TrainingCosts, VaryAsTheDrawsOfStochasticDepth) {
  constexpr std::int64_t kImages = 16, kDepth = 6;
  constexpr int kDraws = 4000;
  double sum = 0, squares = 0;
  for (int step = 0; step < kDraws; ++step) {
    double cost = 0;
    for (int layer = 0; layer < kDepth; ++layer) {
      for (int branch = 0; branch < 2; ++branch) {
        const DropPathKey key{
            .seed = 1, .step = static_cast<std::uint64_t>(step), .layer = layer, .branch = branch};
        const auto rows = static_cast<double>(draw_kept_images(key, 0.3, kImages).size());
        const std::int64_t unread = branch == 0 ? kUnreadAttention : kUnreadMlp;
        const std::int64_t whole = branch == 0 ? kAttention : kMlp;
        cost += rows * static_cast<double>(layer + 1 == kDepth ? whole - unread : whole);
      }
    }
    sum += cost;
    squares += cost * cost;
  }
  const double mean = sum / kDraws, deviation = std::sqrt(squares / kDraws - mean * mean);
  const double planned = describe_model(model("vit_s16", 0.3, kDepth)).macs_deviation * std::sqrt(kImages);
  EXPECT_NEAR(planned, deviation, 0.05 * deviation);
  EXPECT_EQ(describe_model(model("vit_s16", 0, kDepth)).macs_deviation, 0);
}

// What a block costs is what one more of them adds to a model.
TEST(TrainingCosts, CheckpointedBlocksAreComputedAgain) {
  for (const std::string name : {"vit_s16", "vit_s16_18x2", "cait_xxs24"}) {
    ModelConfig config = model(name, 0, 12);
    const std::int64_t macs = describe_model(config).macs;
    const auto block = static_cast<double>(macs - describe_model(model(name, 0, 11)).macs);
    const double unread = static_cast<double>(macs) - describe_model(config).macs_in_training;
    EXPECT_EQ(describe_model(config).macs_again, 0) << name;
    for (const std::string how : {"block", "every:4"}) {
      config.activation_checkpointing = how;
      EXPECT_DOUBLE_EQ(describe_model(config).macs_again, 12 * block - unread) << name;
    }
    config.drop_path = 0.5;
    EXPECT_DOUBLE_EQ(describe_model(config).macs_again, (12 * block - unread) / 2) << name;
  }
  ModelConfig attention = model("vit_s16", 0, 12);
  attention.activation_checkpointing = "attention";
  EXPECT_EQ(describe_model(attention).macs_again, static_cast<double>(12 * kAttention - kUnreadAttention));
  ModelConfig teacher;
  teacher.name = "regnety_160";
  EXPECT_EQ(describe_model(teacher).macs_again, 0);
}

}  // namespace
}  // namespace vitrail::models
