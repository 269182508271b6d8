#include "datasets/mixing.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kSize = 9;
constexpr std::size_t kClasses = 5;

LaneBatch batch_of(const FixtureFile& fixture) {
  LaneBatch batch;
  batch.images_count = 4;
  batch.images = fixture.floats("images");
  batch.labels = batch.partner_labels = fixture.integers("labels");
  batch.weights.assign(4, 1.0);
  return batch;
}

std::vector<float> target_of(const LaneBatch& batch) {
  std::vector<float> target(batch.labels.size() * kClasses);
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    const auto weight = static_cast<float>(batch.weights[i]);
    target[i * kClasses + static_cast<std::size_t>(batch.labels[i])] += weight;
    target[i * kClasses + static_cast<std::size_t>(batch.partner_labels[i])] +=
        static_cast<float>(1.0 - batch.weights[i]);
  }
  return target;
}

// Fixture columns: lambda drawn, cutmix or mixup, centre y, centre x, lambda used.
TEST(MixingTest, PixelsAndTargetsAreTimmsToTheBit) {
  const FixtureFile fixture("mixing");
  const auto cases = fixture.table("cases");
  ASSERT_EQ(cases.size(), 7U);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto& row = cases[i];
    Mix mix{.weight = row[0], .box = {}};
    if (row[1] == 1) mix = cut_mix(row[0], kSize, static_cast<int>(row[3]), static_cast<int>(row[2]));
    EXPECT_EQ(mix.weight, row[4]) << i;
    LaneBatch batch = batch_of(fixture);
    apply_mix(mix, kSize, batch);
    EXPECT_EQ(batch.images, fixture.floats(fmt::format("mixed.{}", i))) << i;
    EXPECT_EQ(target_of(batch), fixture.floats(fmt::format("target.{}", i))) << i;
  }
}

void expect_law(double mixup, double cutmix, int size, const std::string& name) {
  constexpr int kDraws = 40'000;
  const std::vector<double> expected = FixtureFile("mixing").doubles("law." + name);
  AugmentConfig config;
  config.mixup = mixup;
  config.cutmix = cutmix;
  std::vector<double> cumulative(expected.size());
  for (int i = 0; i < kDraws; ++i) {
    Philox stream(2, Purpose::mixing, static_cast<std::uint64_t>(i), 0);
    const double weight = draw_mix(config, size, stream).weight;
    for (std::size_t k = 0; k < cumulative.size(); ++k) {
      cumulative[k] += weight <= static_cast<double>(k) / 20 ? 1.0 / kDraws : 0.0;
    }
  }
  for (std::size_t k = 0; k < cumulative.size(); ++k) {
    const double variance = expected[k] * (1 - expected[k]) + 1e-5;
    EXPECT_NEAR(cumulative[k], expected[k], 5 * std::sqrt(variance * (1.0 / kDraws + 1e-5))) << name << k;
  }
}

TEST(MixingTest, WeightsFollowTimmsLaw) {
  expect_law(0.8, 0.0, 32, "mixup");
  expect_law(0.0, 1.0, 32, "cutmix");
  expect_law(0.8, 1.0, 14, "both");
}

TEST(MixingTest, OneAlphaChoosesItsKindAndBothTakeTurns) {
  int cuts = 0;
  for (std::uint64_t step = 0; step < 10'000; ++step) {
    AugmentConfig config;
    config.mixup = 0.8;
    Philox a(1, Purpose::mixing, step, 0);
    ASSERT_FALSE(draw_mix(config, 32, a).box);
    config.cutmix = 1.0;
    Philox b(1, Purpose::mixing, step, 0);
    cuts += draw_mix(config, 32, b).box.has_value();
    config.mixup = 0.0;
    Philox c(1, Purpose::mixing, step, 0);
    ASSERT_TRUE(draw_mix(config, 32, c).box);
  }
  EXPECT_NEAR(cuts, 5000, 250);
}

TEST(MixingTest, OddLaneBatchesAreRefusedByName) {
  AugmentConfig config;
  EXPECT_NO_THROW(check_mixing(config, 3));
  config.cutmix = 1.0;
  EXPECT_NO_THROW(check_mixing(config, 4));
  try {
    check_mixing(config, 3);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::refused);
    EXPECT_NE(std::string(error.what()).find("data.global_batch_size"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("run.lanes"), std::string::npos);
  }
}

}  // namespace
}  // namespace vitrail::datasets
