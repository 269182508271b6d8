// The laws of RandAugment, AutoAugment, TrivialAugment, colour jitter and random erasing against histograms
// of timm's and torchvision's draws (tests/peers/make_transform_fixtures.py). Both sides are estimates: 5
// standard errors are allowed.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "datasets/augment/augmentation.hpp"
#include "datasets/augment/autoaugment.hpp"
#include "datasets/augment/randaugment.hpp"
#include "datasets/augment/trivialaugment.hpp"
#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kDrawn = 30'000;
constexpr std::size_t kKinds = 17;

void expect_share(double found, double found_of, double share, double share_of, const std::string& what) {
  const double variance = share * (1 - share) + 2e-4;
  EXPECT_NEAR(found, share, 5 * std::sqrt(variance * (1 / found_of + 1 / share_of))) << what;
}

// Shares of `values` up to each threshold of fixture row [low, high, 21 shares between them].
void expect_law(const std::vector<double>& values, const std::vector<double>& row, double row_of,
                const std::string& what) {
  const double low = row[0], high = row[1];
  for (std::size_t k = 0; k < 21; ++k) {
    const double threshold = low + (high - low) * (static_cast<double>(k) + 0.5) / 21;
    double below = 0;
    for (const double value : values) below += value <= threshold;
    const auto count = static_cast<double>(values.size());
    expect_share(below / count, count, row[2 + k], row_of, fmt::format("{} at {}", what, threshold));
  }
}

constexpr std::array<const char*, 7> kConfigs = {
    "rand-m9-mstd0.5-inc1", "rand-m7-n3-p0.8",         "rand-m9-mstd101-mmax7",  "rand-n4-p0.7-tweights",
    "rand-m6-mstd1.5-t3a",  "rand-m8-n5-t3aw-mstd0.5", "rand-m14-mmax20-inc1-p1"};

// `policy` draws an image's operations from a stream.
template <class Policy>
void expect_policy(const FixtureFile& fixture, const std::string& prefix, std::uint64_t when,
                   const Policy& policy) {
  constexpr double kFixtureDraws = 60'000;
  std::array<double, 8> counts{};
  std::array<std::vector<double>, kKinds> arguments;
  for (std::uint64_t i = 0; i < kDrawn; ++i) {
    Philox stream(5, Purpose::test, when, i);
    const auto operations = policy(stream);
    ++counts.at(operations.size());
    for (const Operation& operation : operations) {
      arguments.at(static_cast<std::size_t>(operation.kind)).push_back(operation.argument);
    }
  }
  const auto count_law = fixture.doubles(prefix + "count");
  const auto kind_law = fixture.doubles(prefix + "kind");
  const auto laws = fixture.table(prefix + "law");
  ASSERT_EQ(kind_law.size(), kKinds);
  for (std::size_t n = 0; n < counts.size(); ++n) {
    expect_share(counts[n] / kDrawn, kDrawn, count_law[n], kFixtureDraws, fmt::format("{} operations", n));
  }
  for (std::size_t k = 0; k < kKinds; ++k) {
    const std::string name(name_of(static_cast<OperationKind>(k)));
    const auto drawn = static_cast<double>(arguments[k].size());
    EXPECT_NEAR(drawn / kDrawn, kind_law[k],
                5 * std::sqrt((kind_law[k] + 1e-4) * (1.0 / kDrawn + 1 / kFixtureDraws)))
        << name;
    if (kind_law[k] > 0) expect_law(arguments[k], laws[k], kind_law[k] * kFixtureDraws, name);
  }
}

class RandAugmentLaw : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Configs, RandAugmentLaw, testing::Range(std::size_t{0}, kConfigs.size()));

TEST_P(RandAugmentLaw, IsTimms) {
  const RandAugment config = parse_randaugment(kConfigs.at(GetParam()));
  expect_policy(FixtureFile("laws"), fmt::format("rand.{}.", GetParam()), GetParam(),
                [&](Philox& stream) { return draw_operations(config, 100, stream); });
}

TEST(AutoAugmentLaw, IsTimms) {
  constexpr std::array<const char*, 3> kPolicies = {"original", "originalr-mstd0.5", "original-mstd101"};
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    const AutoAugment config = parse_autoaugment(kPolicies.at(i));
    expect_policy(FixtureFile("policies"), fmt::format("auto.{}.", i), i,
                  [&](Philox& stream) { return draw_operations(config, 100, stream); });
  }
}

TEST(AutoAugmentTest, WhatItDoesNotKnowIsNamed) {
  EXPECT_EQ(complaint_about_autoaugment("originalr-mstd0.5"), "");
  EXPECT_EQ(complaint_about_autoaugment("v0"), "v0 is neither original nor originalr");
  EXPECT_EQ(complaint_about_autoaugment("original-mstd"), "mstd is no mstd with a number");
  EXPECT_EQ(complaint_about_autoaugment("original-mstdnan"), "mstdnan is no mstd with a number");
  EXPECT_EQ(complaint_about_autoaugment("original-mstd0.5-inc1"), "mstd0.5-inc1 is no mstd with a number");
}

// Fixture rows: kind (-1: the image stays), argument, share.
TEST(TrivialAugmentLaw, IsTorchvisions) {
  constexpr int kMany = 200'000;
  const auto rows = FixtureFile("policies").table("trivial");
  std::vector<int> counts(rows.size());
  for (std::uint64_t i = 0; i < kMany; ++i) {
    Philox stream(5, Purpose::test, 0, i);
    const auto drawn = draw_trivial_augment(stream);
    const double kind = drawn ? static_cast<double>(drawn->kind) : -1, argument = drawn ? drawn->argument : 0;
    const auto row = std::ranges::find_if(
        rows, [&](const auto& r) { return r[0] == kind && std::abs(r[1] - argument) < 1e-5; });
    ASSERT_NE(row, rows.end()) << kind << " by " << argument;
    ++counts.at(static_cast<std::size_t>(row - rows.begin()));
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double share = rows[r][2];
    EXPECT_NEAR(counts[r], kMany * share, 5 * std::sqrt(kMany * share * (1 - share)))
        << rows[r][0] << " by " << rows[r][1];
  }
}

TEST(RandAugmentTest, ItsGrammarIsTimms) {
  const RandAugment plain = parse_randaugment("rand");
  EXPECT_EQ(plain.level.magnitude, 10);
  EXPECT_EQ(plain.layers, 2);
  EXPECT_EQ(plain.probability, 0.5);
  EXPECT_EQ(plain.level.deviation, 0.0);
  EXPECT_EQ(plain.choices.size(), 15U);
  const RandAugment all = parse_randaugment("rand-inc1-mmax12-n3-p0.25-mstd0.5-m9");
  EXPECT_EQ(all.level.magnitude, 9);
  EXPECT_EQ(all.layers, 3);
  EXPECT_EQ(all.probability, 0.25);
  EXPECT_EQ(all.level.deviation, 0.5);
  EXPECT_EQ(all.level.upper_bound, 12.0);
  EXPECT_TRUE(std::isinf(parse_randaugment("rand-mstd101").level.deviation));
  EXPECT_FALSE(std::isinf(parse_randaugment("rand-mstd100").level.deviation));
  EXPECT_EQ(parse_randaugment("rand-t3a").choices.size(), 3U);
  EXPECT_TRUE(parse_randaugment("rand-tweights").weighted);
}

TEST(RandAugmentTest, WhatItDoesNotKnowIsNamed) {
  EXPECT_EQ(complaint_about_randaugment("rand-m9-p1.5"), "p1.5: at most 1");
  EXPECT_EQ(complaint_about_randaugment("rand-n1000000"), "n1000000: at most 64");
  EXPECT_EQ(complaint_about_randaugment("rand-m9"), "");
  for (const char* text : {"",          "aug-m9",        "augmix-m5",         "original",
                           "rand-q3",   "rand-m9-m5",    "rand-t3a-tweights", "rand-m",
                           "rand-m9.5", "rand-mstd",     "rand-mstdinf",      "rand-mstd0.5x",
                           "rand-w0",   "rand-t",        "rand-tother",       "rand--m9",
                           "rand-m9 ",  "rand-n15-t3aw", "rand-p1.5",         "rand-n65",
                           "rand-m101", "rand-mmax101"}) {
    try {
      parse_randaugment(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_EQ(error.what(),
                fmt::format("augment.randaugment = {}: {}", text, complaint_about_randaugment(text)));
    }
  }
}

TEST(ColorJitterTest, FactorsAndOrderFollowTorchvisionsLaw) {
  const FixtureFile fixture("laws");
  for (std::size_t i = 0; i < 2; ++i) {
    AugmentConfig config;
    config.color_jitter = i == 0 ? 0.3 : 1.5;
    std::array<double, 6> orders{};
    std::array<std::vector<double>, 3> factors;
    for (std::uint64_t id = 0; id < kDrawn; ++id) {
      const auto operations = draw_augmentation(config, {.seed = 4, .sample = id}, 50, 40, 32).operations;
      ASSERT_EQ(operations.size(), 3U);
      const auto kind = [&](std::size_t k) {
        return static_cast<std::size_t>(operations[k].kind) -
               static_cast<std::size_t>(OperationKind::brightness);
      };
      ++orders.at(kind(0) * 2 + kind(1) - (kind(1) > kind(0) ? 1 : 0));
      for (std::size_t k = 0; k < 3; ++k) factors.at(kind(k)).push_back(operations[k].argument);
    }
    const auto order_law = fixture.doubles(fmt::format("jitter.{}.order", i));
    for (std::size_t k = 0; k < 6; ++k) {
      expect_share(orders[k] / kDrawn, kDrawn, order_law[k], 60'000, fmt::format("order {}", k));
    }
    const auto law = fixture.table(fmt::format("jitter.{}.law", i));
    const double low = std::max(0.0, 1 - config.color_jitter), high = 1 + config.color_jitter;
    for (std::size_t k = 0; k < 3; ++k) {
      ASSERT_EQ(factors[k].size(), static_cast<std::size_t>(kDrawn));
      for (std::size_t t = 0; t < 21; ++t) {
        const double threshold = low + (high - low) * static_cast<double>(t) / 20;
        double below = 0;
        for (const double factor : factors[k]) below += factor <= threshold;
        expect_share(below / kDrawn, kDrawn, law[k][t], 60'000, fmt::format("factor {} at {}", k, threshold));
      }
    }
  }
}

struct ErasingCase {
  int size;
  double probability;
  std::int64_t count;
};

TEST(RandomErasingTest, BoxesFollowTimmsLaw) {
  const std::array<ErasingCase, 3> cases = {{{64, 0.25, 1}, {64, 0.6, 3}, {12, 1.0, 1}}};
  const FixtureFile fixture("laws");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    AugmentConfig config;
    config.random_erasing = cases[i].probability;
    config.random_erasing_count = cases[i].count;
    std::array<double, 4> counts{};
    std::array<std::vector<double>, 4> values;
    for (std::uint64_t id = 0; id < kDrawn; ++id) {
      const auto erased = draw_augmentation(config, {.seed = 6, .sample = id}, 50, 40, cases[i].size).erased;
      ++counts.at(erased.size());
      for (const Erasure& erasure : erased) {
        const Box& box = erasure.box;
        const std::array<int, 4> numbers = {box.x, box.y, box.width, box.height};
        for (std::size_t c = 0; c < 4; ++c) values[c].push_back(numbers[c]);
      }
    }
    const auto count_law = fixture.doubles(fmt::format("erase.{}.count", i));
    for (std::size_t n = 0; n < 4; ++n) {
      expect_share(counts[n] / kDrawn, kDrawn, count_law[n], 100'000, fmt::format("{} boxes", n));
    }
    const auto law = fixture.table(fmt::format("erase.{}.law", i));
    for (std::size_t c = 0; c < 4; ++c) {
      std::vector<double> row = {0.0, static_cast<double>(cases[i].size)};
      row.insert(row.end(), law[c].begin(), law[c].end());
      expect_law(values[c], row, 100'000 * (1 - count_law[0]), fmt::format("case {} column {}", i, c));
    }
  }
}

// Shares and ranges as DINO's views have them; the four parts of a jitter in all orders alike.
TEST(DistortionTest, FollowsItsProbabilitiesAndRanges) {
  AugmentConfig config;
  config.distortion = {.jitter = 0.8,
                       .brightness = 0.4,
                       .contrast = 0.4,
                       .saturation = 0.2,
                       .hue = 0.1,
                       .grey = 0.2,
                       .blur = 0.5,
                       .solarize = 0.3};
  const std::map<OperationKind, std::pair<double, double>> ranges = {
      {OperationKind::brightness, {0.6, 1.4}}, {OperationKind::contrast, {0.6, 1.4}},
      {OperationKind::saturation, {0.8, 1.2}}, {OperationKind::hue, {-0.1, 0.1}},
      {OperationKind::grey, {0, 0}},           {OperationKind::blur, {0.1, 2}},
      {OperationKind::solarize, {128, 128}}};
  std::map<OperationKind, std::vector<double>> arguments;
  std::map<std::vector<OperationKind>, double> orders;
  for (std::uint64_t id = 0; id < kDrawn; ++id) {
    const auto drawn = draw_augmentation(config, {.seed = 8, .sample = id}, 50, 40, 16).operations;
    std::vector<OperationKind> order;
    for (const Operation& operation : drawn) {
      arguments[operation.kind].push_back(operation.argument);
      const bool jitters = operation.kind != OperationKind::grey && operation.kind != OperationKind::blur &&
                           operation.kind != OperationKind::solarize;
      if (jitters) order.push_back(operation.kind);
    }
    if (!order.empty()) ++orders[order];
    // What is no jitter comes behind it, grey before blur before solarisation.
    for (std::size_t i = order.size() + 1; i < drawn.size(); ++i)
      ASSERT_TRUE(drawn[i - 1].kind == OperationKind::grey || drawn[i].kind == OperationKind::solarize);
  }
  ASSERT_EQ(arguments.size(), ranges.size());
  for (const auto& [kind, values] : arguments) {
    const std::string name(name_of(kind));
    const auto [low, high] = ranges.at(kind);
    double inside = 0, lower = 0;
    for (const double value : values) {
      inside += value >= low && value <= high;
      lower += value < (low + high) / 2;
    }
    const auto count = static_cast<double>(values.size());
    EXPECT_EQ(inside, count) << name;
    if (low < high) expect_share(lower / count, count, 0.5, kDrawn, name);
    const double share = kind == OperationKind::grey       ? 0.2
                         : kind == OperationKind::blur     ? 0.5
                         : kind == OperationKind::solarize ? 0.3
                                                           : 0.8;
    expect_share(count / kDrawn, kDrawn, share, kDrawn, name);
  }
  ASSERT_EQ(orders.size(), 24U);
  for (const auto& [order, count] : orders)
    expect_share(count / (0.8 * kDrawn), 0.8 * kDrawn, 1.0 / 24, kDrawn, "an order");
}

TEST(DistortionTest, CropsStayWithinTheirShares) {
  AugmentConfig config;
  config.crop_min_area = 0.05;
  config.crop_max_area = 0.4;
  for (std::uint64_t id = 0; id < 2000; ++id) {
    const Box box = draw_augmentation(config, {.seed = 8, .sample = id}, 500, 400, 16).view.source;
    const double share = box.width * box.height / (500.0 * 400.0);
    ASSERT_TRUE(share > 0.049 && share < 0.402) << share;  // sides are rounded
  }
}

// Of 64 x 64 values in a box: mean 0 and variance 1 for noise, one value a channel for a colour, zeros else;
// nothing outside changes.
TEST(RandomErasingTest, PaintsItsBoxesOnly) {
  const SampleKey key{.seed = 1, .sample = 2};
  const std::vector<Erasure> erased = {{.box = {3, 5, 40, 50}, .noise = true},
                                       {.box = {50, 60, 4, 2}, .colour = {1.0F, 2.0F, 3.0F}}};
  std::vector<float> picture(3 * 64 * 64, 9.0F), again = picture;
  erase(erased, key, 64, picture);
  erase(erased, key, 64, again);
  EXPECT_EQ(picture, again);
  double sum = 0, squares = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    for (int y = 0; y < 64; ++y) {
      for (int x = 0; x < 64; ++x) {
        const float value =
            picture[(c * 64 + static_cast<std::size_t>(y)) * 64 + static_cast<std::size_t>(x)];
        if (x >= 3 && x < 43 && y >= 5 && y < 55) {
          sum += value;
          squares += value * value;
        } else if (x >= 50 && x < 54 && y >= 60 && y < 62) {
          ASSERT_EQ(value, static_cast<float>(c + 1));
        } else {
          ASSERT_EQ(value, 9.0F);
        }
      }
    }
  }
  EXPECT_NEAR(sum / 6000, 0.0, 5 / std::sqrt(6000));
  EXPECT_NEAR(squares / 6000, 1.0, 5 * std::sqrt(2.0 / 6000));
}

}  // namespace
}  // namespace vitrail::datasets
