#include "datasets/augment/mixing.hpp"

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
  batch.views.emplace_back(fixture.floats("images"));
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
    apply_mixes(std::vector<Mix>(4, mix), kSize, batch);
    EXPECT_EQ(batch.views.front(), fixture.floats(fmt::format("mixed.{}", i))) << i;
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
    const double weight = draw_mixes(config, size, 2, stream).at(0).weight;
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
    ASSERT_FALSE(draw_mixes(config, 32, 2, a).at(0).box);
    config.cutmix = 1.0;
    Philox b(1, Purpose::mixing, step, 0);
    cuts += draw_mixes(config, 32, 2, b).at(0).box.has_value();
    config.mixup = 0.0;
    Philox c(1, Purpose::mixing, step, 0);
    ASSERT_TRUE(draw_mixes(config, 32, 2, c).at(0).box);
  }
  EXPECT_NEAR(cuts, 5000, 250);
}

// Fixture rows of "modes": element or pair, then for each image lambda drawn, cutmix or mixup, centre y,
// centre x and lambda used.
TEST(MixingTest, ElementsAndPairsAreTimmsToTheBit) {
  const FixtureFile fixture("mixing");
  const auto modes = fixture.table("modes");
  ASSERT_EQ(modes.size(), 6U);
  for (std::size_t i = 0; i < modes.size(); ++i) {
    std::vector<Mix> mixes;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto at = [&](std::size_t column) { return modes[i].at(1 + 5 * k + column); };
      Mix mix{.weight = at(0), .box = {}};
      if (at(1) == 1 && at(0) != 1) {
        mix = cut_mix(at(0), kSize, static_cast<int>(at(3)), static_cast<int>(at(2)));
        mix.weight = static_cast<float>(mix.weight);
      }
      EXPECT_EQ(mix.weight, at(4)) << i << " image " << k;
      mixes.push_back(mix);
    }
    LaneBatch batch = batch_of(fixture);
    apply_mixes(mixes, kSize, batch);
    EXPECT_EQ(batch.views.front(), fixture.floats(fmt::format("mode.{}.mixed", i))) << i;
    EXPECT_EQ(target_of(batch), fixture.floats(fmt::format("mode.{}.target", i))) << i;
  }
}

TEST(MixingTest, ModesDecideWhoSharesADraw) {
  AugmentConfig config;
  config.mixup = 0.8;
  config.cutmix = 1.0;
  const auto draw = [&](MixMode mode) {
    config.mix_mode = mode;
    Philox stream(1, Purpose::mixing, 7, 0);
    return draw_mixes(config, 32, 6, stream);
  };
  const auto batch = draw(MixMode::batch), pair = draw(MixMode::pair), element = draw(MixMode::element);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(batch[i], batch[0]);
    EXPECT_EQ(pair[i], pair[5 - i]);
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_EQ(pair[i] == pair[j], i + j == 5);
      EXPECT_NE(element[i], element[j]);
    }
  }
}

TEST(MixingTest, ProbabilitiesAreKept) {
  AugmentConfig config;
  config.mixup = config.cutmix = 1.0;
  config.mix_probability = 0.3;
  config.switch_probability = 0.2;
  config.mix_mode = MixMode::element;
  Philox stream(1, Purpose::mixing, 0, 0);
  int mixed = 0, cut = 0;
  for (const Mix& mix : draw_mixes(config, 32, 20'000, stream)) {
    mixed += mix != Mix{};
    cut += mix.box.has_value();
  }
  EXPECT_NEAR(mixed, 6000, 5 * 65);
  EXPECT_NEAR(cut, 1200, 5 * 34);
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
