#include "models/weights/init.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/families/catalogue.hpp"
#include "trainer/base/files/atomic_file.hpp"

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

ModelConfig named(const std::string& name) {
  ModelConfig config;
  config.name = name;
  return config;
}

// Mean and deviation of each tensor of fresh networks, to five standard errors.
void expect_timms_start(const std::string& file, std::size_t networks) {
  const auto fixture = nlohmann::json::parse(read_text(file));
  ASSERT_EQ(fixture.at("initial_moments").size(), networks);
  for (const auto& [network, rows] : fixture.at("initial_moments").items()) {
    ModelConfig config = named(network);
    if (network == "cait_xxs24") config.layer_scale = 1e-5;
    std::map<std::string, ParameterSpec> specs;
    for (const ParameterSpec& spec : parameters_of(config)) specs[spec.name] = spec;
    ASSERT_GE(rows.size(), 15U);
    for (const auto& row : rows) {
      const auto name = row[0].get<std::string>();
      const ParameterSpec& spec = specs.at(name);
      std::vector<double> ours(static_cast<std::size_t>(spec.elements()));
      fill_initial(spec.init, 1, name, 0, ours);
      const Moments own = moments(ours);
      const double root = std::sqrt(static_cast<double>(ours.size())), deviation = row[2].get<double>();
      const double rounding = 1e-6 * std::abs(row[1].get<double>());  // timm's are fp32
      EXPECT_NEAR(own.mean, row[1].get<double>(), 7.1 * deviation / root + rounding)
          << network << " " << name;
      EXPECT_NEAR(own.deviation, deviation, 5 * deviation / root + rounding) << network << " " << name;
    }
  }
}

TEST(InitTest, EveryParameterStartsAsTimms) {
  expect_timms_start(VITRAIL_FIXTURES "/models/models.json", 5);
  expect_timms_start(VITRAIL_FIXTURES "/models/families.json", 10);
}

TEST(InitTest, TokensStartAsDeits) {
  for (const char* name : {"vit_ti16", "deit_ti16", "deit_ti16_distilled", "cait_xxs24"}) {
    for (const ParameterSpec& spec : parameters_of(named(name))) {
      if (!spec.name.ends_with("_token")) continue;
      EXPECT_EQ(spec.init.law, Init::Law::normal) << name;
      EXPECT_EQ(spec.init.value, 0.02);
    }
  }
}

// The papers' values: DeiT III 1e-4; CaiT by depth, XXS-36 as in its authors' code; DeiT has none.
TEST(InitTest, LayerScaleStartsByDepth) {
  const auto first_values = [](const ModelConfig& config) {
    std::set<double> values;
    for (const ParameterSpec& spec : parameters_of(config)) {
      if (spec.name.find("gamma") == std::string::npos) continue;
      EXPECT_EQ(spec.init.law, Init::Law::constant);
      values.insert(spec.init.value);
    }
    return values;
  };
  const std::map<std::string, std::set<double>> expected = {
      {"vit_s16", {1e-4}},  {"vit_h14_52", {1e-4}}, {"vit_b16_18x2", {1e-4}}, {"deit_s16", {}},
      {"cait_b12", {0.1}},  {"cait_xxs24", {1e-5}}, {"cait_xxs36", {1e-5}},   {"cait_xs36", {1e-6}},
      {"cait_s24", {1e-5}}, {"cait_s36", {1e-6}},   {"cait_s48", {1e-6}},     {"cait_m24", {1e-5}},
      {"cait_m36", {1e-6}}, {"cait_m48", {1e-6}}};
  for (const auto& [name, values] : expected) EXPECT_EQ(first_values(named(name)), values) << name;
  ModelConfig config = named("cait_xxs36");
  config.depth = 12;
  EXPECT_EQ(first_values(config), std::set<double>{0.1});
  config = named("deit_s16");
  config.layer_scale = 0.5;
  EXPECT_EQ(first_values(config), std::set<double>{0.5});
}

}  // namespace
}  // namespace vitrail::models
