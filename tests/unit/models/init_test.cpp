#include "models/init.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "models/catalogue.hpp"

namespace vitrail::models {
namespace {

constexpr Init kNormal{Init::Law::normal, 0.02};
constexpr Init kUniform{Init::Law::uniform, 0.25};

std::vector<double> filled(const Init& init, std::int64_t begin, std::size_t count, std::uint64_t seed = 3,
                           const std::string& name = "blocks.0.mlp.fc1.weight") {
  std::vector<double> out(count, -99);
  fill_initial(init, seed, name, begin, out);
  return out;
}

struct Moments {
  double mean = 0, deviation = 0, kurtosis = 0;
};

Moments moments(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  Moments m;
  for (const double v : x) m.mean += v / n;
  double second = 0, fourth = 0;
  for (const double v : x) {
    const double square = (v - m.mean) * (v - m.mean);
    second += square / n;
    fourth += square * square / n;
  }
  m.deviation = std::sqrt(second);
  m.kurtosis = fourth / (second * second);
  return m;
}

TEST(InitTest, NormalAndUniformHaveTheirMoments) {
  const Moments normal = moments(filled(kNormal, 0, 400'000));
  EXPECT_NEAR(normal.mean, 0, 5 * 0.02 / std::sqrt(400'000));
  EXPECT_NEAR(normal.deviation, 0.02, 1.2e-4);
  EXPECT_NEAR(normal.kurtosis, 3, 0.05);
  const std::vector<double> draws = filled(kUniform, 0, 400'000);
  const Moments uniform = moments(draws);
  EXPECT_NEAR(uniform.mean, 0, 0.0012);
  EXPECT_NEAR(uniform.deviation, 0.25 / std::sqrt(3), 0.001);
  EXPECT_NEAR(uniform.kurtosis, 1.8, 0.02);
  EXPECT_LE(std::ranges::max(draws), 0.25);
  EXPECT_GE(std::ranges::min(draws), -0.25);
}

TEST(InitTest, NeighboursAreUncorrelated) {
  const std::vector<double> x = filled({Init::Law::normal, 1.0}, 0, 400'000);
  for (const std::size_t lag : {1, 2, 3}) {
    double product = 0;
    for (std::size_t i = 0; i + lag < x.size(); ++i) product += x[i] * x[i + lag];
    EXPECT_NEAR(product / static_cast<double>(x.size()), 0, 0.008) << lag;
  }
}

TEST(InitTest, ConstantsAreExact) {
  EXPECT_EQ(filled({Init::Law::constant, 1e-4}, 5, 3), std::vector<double>(3, 1e-4));
  EXPECT_EQ(filled({}, 0, 2), std::vector<double>(2, 0.0));
}

TEST(InitTest, SlicesAreTheWhole) {
  for (const Init& init : {kNormal, kUniform}) {
    const std::vector<double> whole = filled(init, 0, 1000);
    for (const std::int64_t begin : {0, 1, 2, 3, 500, 997}) {
      for (const std::size_t count : {0, 1, 2, 3}) {
        const auto first = whole.begin() + begin;
        EXPECT_EQ(filled(init, begin, count),
                  std::vector<double>(first, first + static_cast<std::ptrdiff_t>(count)));
      }
    }
  }
}

// A random stream ends after 2^24 elements; a slice across the seam, and one far beyond, must not notice.
TEST(InitTest, LargeTensorsGoOnInANewStream) {
  const std::int64_t seam = std::int64_t{1} << 24;
  const std::vector<double> across = filled(kNormal, seam - 5, 10);
  for (std::size_t i = 0; i < across.size(); ++i) {
    EXPECT_EQ(filled(kNormal, seam - 5 + static_cast<std::int64_t>(i), 1)[0], across[i]);
  }
  EXPECT_NE(filled(kNormal, seam, 5), filled(kNormal, 0, 5));
  EXPECT_NE(filled(kNormal, 7 * seam, 5), filled(kNormal, seam, 5));
}

TEST(InitTest, SeedAndNameDecide) {
  const std::vector<double> reference = filled(kNormal, 0, 4);
  EXPECT_NE(filled(kNormal, 0, 4, 4), reference);
  EXPECT_NE(filled(kNormal, 0, 4, 3, "blocks.1.mlp.fc1.weight"), reference);
}

TEST(InitTest, EveryParameterOfTheVitStartsByTheRecipe) {
  ModelConfig config;
  config.name = "vit_ti16";
  for (const ParameterSpec& spec : parameters_of(config)) {
    const auto ends = [&](const char* text) { return spec.name.ends_with(text); };
    const double fan_in_bound = 1 / std::sqrt(768.0);
    if (spec.name.starts_with("patch_embed")) {
      EXPECT_EQ(spec.init.law, Init::Law::uniform);
      EXPECT_DOUBLE_EQ(spec.init.value, fan_in_bound);
    } else if (ends("gamma")) {
      EXPECT_EQ(spec.init.law, Init::Law::constant);
      EXPECT_EQ(spec.init.value, 1e-4);
    } else if (ends("bias") || (spec.name.find("norm") != std::string::npos)) {
      EXPECT_EQ(spec.init.law, Init::Law::constant);
      EXPECT_EQ(spec.init.value, ends("bias") ? 0.0 : 1.0) << spec.name;
    } else {
      EXPECT_EQ(spec.init.law, Init::Law::normal) << spec.name;
      EXPECT_EQ(spec.init.value, 0.02);
    }
  }
}

}  // namespace
}  // namespace vitrail::models
