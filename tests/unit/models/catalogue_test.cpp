#include "models/catalogue.hpp"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "trainer/base/atomic_file.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

nlohmann::json timm() { return nlohmann::json::parse(read_text(VITRAIL_FIXTURES "/models/models.json")); }

ModelConfig named(const std::string& name, std::int64_t image_size = 224) {
  ModelConfig config;
  config.name = name;
  config.image_size = image_size;
  return config;
}

TEST(CatalogueTest, ParametersAndMacsAreTimms) {
  const nlohmann::json fixture = timm();
  ASSERT_EQ(fixture.at("networks").size(), 8U);
  for (const auto& row : fixture.at("networks")) {
    const ModelSummary summary = describe_model(named(row.at("name"), row.at("image_size")));
    EXPECT_EQ(summary.params, row.at("params").get<std::int64_t>()) << row;
    const auto macs = row.at("macs").get<double>();
    EXPECT_NEAR(static_cast<double>(summary.macs), macs, 1e-3 * macs) << row;
  }
}

TEST(CatalogueTest, ParameterNamesShapesAndOrderAreTimms) {
  const nlohmann::json fixture = timm();
  for (const auto& [name, rows] : fixture.at("parameters").items()) {
    const std::vector<ParameterSpec> specs = parameters_of(named(name));
    ASSERT_EQ(specs.size(), rows.size());
    for (std::size_t i = 0; i < specs.size(); ++i) {
      EXPECT_EQ(specs[i].name, rows[i][0].get<std::string>());
      EXPECT_EQ(specs[i].shape, rows[i][1].get<std::vector<std::int64_t>>()) << specs[i].name;
    }
  }
}

struct Printed {
  const char* name;
  std::int64_t image_size;
  double millions, giga_macs;
};

// Touvron's thesis, tables 3.2, 6.2 and 6.7: a figure is right to 1.4 % or to half of its last digit.
TEST(CatalogueTest, PrintedFiguresAreReached) {
  for (const Printed& row : {Printed{"vit_ti16", 224, 5.7, 1.3}, Printed{"vit_s16", 224, 22.0, 4.6},
                             Printed{"vit_b16", 224, 86.6, 17.5}, Printed{"vit_b16", 384, 86.9, 55.5},
                             Printed{"vit_l16", 224, 304.4, 61.6}, Printed{"vit_l16", 384, 304.8, 191.2},
                             Printed{"vit_h14", 224, 632.1, 167.4}}) {
    const ModelSummary summary = describe_model(named(row.name, row.image_size));
    const auto near = [](double computed, double printed) {
      return std::abs(computed - printed) <= std::max(0.014 * printed, 0.05);
    };
    EXPECT_TRUE(near(static_cast<double>(summary.params) / 1e6, row.millions)) << row.name << summary.params;
    EXPECT_TRUE(near(static_cast<double>(summary.macs) / 1e9, row.giga_macs)) << row.name << summary.macs;
  }
}

TEST(CatalogueTest, KeptActivationsAreWhatAutogradKeepsForTimm) {
  const nlohmann::json fixture = timm();
  for (const auto& [name, bytes] : fixture.at("activation_bytes_64_pixels_10_classes").items()) {
    ModelConfig config = named(name, 64);
    config.classes = 10;
    const auto kept = bytes.get<double>();
    EXPECT_NEAR(static_cast<double>(describe_model(config).activation_bytes), kept, 0.05 * kept) << name;
    const std::int64_t whole = describe_model(config).activation_bytes;
    config.drop_path = 0.5;
    EXPECT_LT(describe_model(config).activation_bytes, 0.6 * static_cast<double>(whole));
  }
}

TEST(CatalogueTest, EveryKnownNameAndAliasDescribesOneNetwork) {
  const std::vector<std::string> names = known_models();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  for (const std::string& name : names) EXPECT_EQ(describe_model(named(name)).name, name);
  for (const std::string& alias : model_aliases())
    EXPECT_THAT(names, ::testing::Contains(describe_model(named(alias)).name));
  EXPECT_EQ(describe_model(named("deit3_huge_patch14_224")).name, "vit_h14");
}

TEST(CatalogueTest, OverridesAndTheFloorRule) {
  ModelConfig config = named("vit_xxs4", 30);  // 30 / 8: three patches a side, six pixels unused
  config.patch = 8;
  config.width = 60;
  config.depth = 2;
  config.heads = 5;
  config.classes = 7;
  const ModelSummary summary = describe_model(config);
  EXPECT_EQ(summary.tokens, 10);
  EXPECT_EQ(summary.image_size, 30);
  EXPECT_EQ(summary.classes, 7);
  const std::vector<ParameterSpec> specs = parameters_of(config);
  EXPECT_EQ(specs[1].shape, (std::vector<std::int64_t>{1, 9, 60}));
  EXPECT_EQ(specs[2].shape, (std::vector<std::int64_t>{60, 3, 8, 8}));
  EXPECT_EQ(specs.size(), 4U + 2 * 14 + 4);
  config.layer_scale = 0;
  EXPECT_EQ(parameters_of(config).size(), 4U + 2 * 12 + 4);
}

std::string refusal(const ModelConfig& config, ExitCode code) {
  try {
    describe_model(config);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "not refused";
  return {};
}

TEST(CatalogueTest, UnknownNamesNameTheNearest) {
  EXPECT_THAT(refusal(named("vit_s61"), ExitCode::usage),
              AllOf(HasSubstr("model.name"), HasSubstr("vit_s16")));
  EXPECT_THAT(refusal(named("deit3_smal_patch16_224"), ExitCode::usage),
              HasSubstr("deit3_small_patch16_224"));
  refusal(named(""), ExitCode::usage);
}

TEST(CatalogueTest, ImpossibleNumbersAreRefusedByKey) {
  const auto with = [](auto change) {
    ModelConfig config = named("vit_s16");
    change(config);
    return refusal(config, ExitCode::refused);
  };
  EXPECT_THAT(with([](ModelConfig& c) { c.heads = 7; }),
              AllOf(HasSubstr("heads = 7"), HasSubstr("width = 384")));
  EXPECT_THAT(with([](ModelConfig& c) { c.image_size = 15; }), HasSubstr("model.image_size = 15"));
  EXPECT_THAT(with([](ModelConfig& c) { c.patch = 0; }), HasSubstr("model.patch = 0"));
  EXPECT_THAT(with([](ModelConfig& c) { c.width = -64; }), HasSubstr("model.width = -64"));
  EXPECT_THAT(with([](ModelConfig& c) { c.depth = 0; }), HasSubstr("model.depth = 0"));
  EXPECT_THAT(with([](ModelConfig& c) { c.heads = 0; }), HasSubstr("model.heads = 0"));
  EXPECT_THAT(with([](ModelConfig& c) { c.classes = 0; }), HasSubstr("model.classes = 0"));
  EXPECT_THAT(with([](ModelConfig& c) { c.drop_path = 1; }), HasSubstr("model.drop_path = 1"));
  EXPECT_THAT(with([](ModelConfig& c) { c.drop_path = std::nan(""); }), HasSubstr("model.drop_path"));
  EXPECT_THAT(with([](ModelConfig& c) { c.layer_scale = -1; }), HasSubstr("model.layer_scale = -1"));
}

}  // namespace
}  // namespace vitrail::models
