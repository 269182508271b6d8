#include "models/families/catalogue.hpp"

#include <cmath>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/families/families.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

nlohmann::json timm() { return nlohmann::json::parse(read_text(VITRAIL_FIXTURES "/models/models.json")); }

ModelConfig config_named(const std::string& name, std::int64_t image_size = 224) {
  ModelConfig config;
  config.name = name;
  config.image_size = image_size;
  return config;
}

TEST(CatalogueTest, ParametersAndMacsAreTimms) {
  const nlohmann::json fixture = timm();
  ASSERT_EQ(fixture.at("networks").size(), 46U);
  for (const auto& row : fixture.at("networks")) {
    const ModelSummary summary = describe_model(config_named(row.at("name"), row.at("image_size")));
    EXPECT_EQ(summary.params, row.at("params").get<std::int64_t>()) << row;
    const auto macs = row.at("macs").get<double>();
    EXPECT_NEAR(static_cast<double>(summary.macs), macs, 1e-3 * macs) << row;
  }
}

TEST(CatalogueTest, ParameterNamesShapesAndOrderAreTimms) {
  const nlohmann::json fixture = timm();
  for (const auto& [name, rows] : fixture.at("parameters").items()) {
    const std::vector<ParameterSpec> specs = parameters_of(config_named(name));
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
  const char* millions;  // of parameters; empty: not printed at this size
  const char* giga_macs;
};

// Touvron's thesis, tables 3.2, 3.12, 6.2 and 6.7, and the CaiT paper's.
const std::vector<Printed> kPrinted = {
    {"vit_ti16", 224, "5.7", "1.3"},    {"vit_s16", 224, "22.0", "4.6"},
    {"vit_b16", 224, "86.6", "17.5"},   {"vit_b16", 384, "86.9", "55.5"},
    {"vit_l16", 224, "304.4", "61.6"},  {"vit_l16", 384, "304.8", "191.2"},
    {"vit_h14", 224, "632.1", "167.4"}, {"deit_ti16", 224, "5.7", "1.3"},
    {"deit_s16", 224, "22.0", "4.6"},   {"deit_b16", 224, "86.6", "17.5"},
    {"deit_b16", 384, "86.9", "55.5"},  {"deit_b16_distilled", 224, "87", "17.6"},
    {"cait_xxs24", 224, "12.0", "2.5"}, {"cait_xxs24", 384, "", "9.5"},
    {"cait_xxs36", 224, "17.3", "3.8"}, {"cait_xxs36", 384, "", "14.2"},
    {"cait_xs24", 224, "26.6", "5.4"},  {"cait_xs24", 384, "", "19.3"},
    {"cait_xs36", 224, "38.6", "8.1"},  {"cait_xs36", 384, "", "28.8"},
    {"cait_s24", 224, "46.9", "9.4"},   {"cait_s24", 384, "", "32.2"},
    {"cait_s36", 224, "68.2", "13.9"},  {"cait_s36", 384, "", "48.0"},
    {"cait_s48", 224, "89.5", "18.6"},  {"cait_s48", 384, "", "63.8"},
    {"cait_m24", 224, "185.9", "36.0"}, {"cait_m24", 384, "", "116.1"},
    {"cait_m36", 224, "270.9", "53.7"}, {"cait_m36", 384, "", "173.3"},
    {"cait_m36", 448, "", "247.8"},     {"cait_m48", 448, "356", "329.6"},
    {"cait_b12", 224, "100.0", "18.2"}, {"regnety_160", 224, "83.6", ""}};

// The computed figure with as many decimals as the printed one.
std::string rounded_as(const std::string& printed, double computed) {
  const std::size_t point = printed.find('.');
  return fmt::format("{:.{}f}", computed, point == std::string::npos ? 0 : printed.size() - point - 1);
}

// Every printed figure is reached to 1.4 % or half of its last digit. Those whose last digit no count
// reproduces are listed, with what we count.
TEST(CatalogueTest, PrintedFiguresAreReached) {
  std::set<std::string> other_digits;
  for (const Printed& row : kPrinted) {
    const ModelSummary summary = describe_model(config_named(row.name, row.image_size));
    const auto compare = [&](const std::string& printed, double computed, const char* what) {
      if (printed.empty()) return;
      const double value = std::stod(printed);
      EXPECT_NEAR(computed, value, std::max(0.014 * value, 0.05)) << row.name << " " << what;
      if (rounded_as(printed, computed) != printed) {
        other_digits.insert(
            fmt::format("{} @{} {}: {}, counted {:.2f}", row.name, row.image_size, what, printed, computed));
      }
    };
    compare(row.millions, static_cast<double>(summary.params) / 1e6, "params");
    compare(row.giga_macs, static_cast<double>(summary.macs) / 1e9, "MACs");
  }
  EXPECT_EQ(
      other_digits,
      (std::set<std::string>{
          "cait_b12 @224 params: 100.0, counted 100.77", "cait_m24 @224 MACs: 36.0, counted 35.81",
          "cait_m24 @384 MACs: 116.1, counted 115.98", "cait_m36 @224 MACs: 53.7, counted 53.42",
          "cait_m36 @384 MACs: 173.3, counted 173.11", "cait_m36 @448 MACs: 247.8, counted 247.64",
          "cait_m48 @448 MACs: 329.6, counted 329.41", "cait_s24 @224 MACs: 9.4, counted 9.35",
          "cait_s48 @224 MACs: 18.6, counted 18.51", "cait_xxs24 @384 MACs: 9.5, counted 9.63",
          "cait_xxs36 @384 MACs: 14.2, counted 14.35", "deit_b16 @224 MACs: 17.5, counted 17.58",
          "deit_b16_distilled @224 MACs: 17.6, counted 17.68", "deit_s16 @224 params: 22.0, counted 22.05",
          "vit_b16 @224 MACs: 17.5, counted 17.58", "vit_s16 @224 params: 22.0, counted 22.06"}));
}

TEST(CatalogueTest, KeptActivationsAreWhatAutogradKeepsForTimm) {
  const nlohmann::json fixture = timm();
  for (const auto& [name, bytes] : fixture.at("activation_bytes_of_a_second_image").items()) {
    ModelConfig config = config_named(name, 64);
    config.classes = 10;
    const auto kept = bytes.get<double>();
    EXPECT_NEAR(static_cast<double>(describe_model(config).activation_bytes), kept, 0.03 * kept) << name;
    const std::int64_t whole = describe_model(config).activation_bytes;
    config.drop_path = 0.5;  // its branches are computed for all images: batch norm wants them
    EXPECT_EQ(describe_model(config).activation_bytes, whole);
    EXPECT_EQ(describe_model(config).macs_in_training, static_cast<double>(describe_model(config).macs));
  }
  for (const auto& [name, bytes] : fixture.at("activation_bytes_64_pixels_10_classes").items()) {
    ModelConfig config = config_named(name, 64);
    config.classes = 10;
    const auto kept = bytes.get<double>();
    EXPECT_NEAR(static_cast<double>(describe_model(config).activation_bytes), kept, 0.05 * kept) << name;
    const std::int64_t whole = describe_model(config).activation_bytes;
    config.drop_path = 0.5;
    config.drop_path_law = DropPathLaw::constant;
    EXPECT_LT(describe_model(config).activation_bytes, 0.6 * static_cast<double>(whole));
  }
}

TEST(CatalogueTest, EveryKnownNameAndAliasDescribesOneNetwork) {
  const std::vector<std::string> names = known_models();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  for (const std::string& name : names) EXPECT_EQ(describe_model(config_named(name)).name, name);
  for (const std::string& alias : model_aliases())
    EXPECT_THAT(names, ::testing::Contains(describe_model(config_named(alias)).name));
  EXPECT_EQ(describe_model(config_named("deit3_huge_patch14_224")).name, "vit_h14");
}

TEST(CatalogueTest, RecomputationKeepsLess) {
  for (const char* name : {"vit_s16", "vit_s16_18x2", "cait_xxs36"}) {
    const auto kept = [&](const std::string& checkpointing, double drop_path = 0) {
      ModelConfig config = config_named(name);
      config.activation_checkpointing = checkpointing;
      config.drop_path = drop_path;
      return static_cast<double>(describe_model(config).activation_bytes);
    };
    EXPECT_LT(kept("attention"), 0.75 * kept("none")) << name;
    EXPECT_LT(kept("block"), 0.25 * kept("none")) << name;
    EXPECT_LT(kept("every:3"), kept("none"));
    EXPECT_GE(kept("every:1000"), kept("none"));  // one segment: all of it is computed again at once
    EXPECT_LT(kept("block", 0.5), kept("block"));
  }
  // By hand: of each of 12 blocks its input [197, 384], and one block whole (17 x width + 6 heads + 4 a
  // token).
  ModelConfig config = config_named("deit_s16");
  config.activation_checkpointing = "block";
  const std::int64_t block = 197 * (16 * 384 + 4 + 6);
  EXPECT_EQ(describe_model(config).activation_bytes, 4 * (196 * 768 + 12 * 197 * 384 + block));
}

TEST(CatalogueTest, DropPathIsConstantOrRisesLinearly) {
  const auto first_and_last = [](const std::string& name, DropPathLaw law) {
    ModelConfig config = config_named(name);
    config.drop_path = 0.3;
    config.drop_path_law = law;
    return std::visit(
        [](const auto& family) {
          if constexpr (requires { family.drop_path_of(0); }) {
            return std::pair(family.drop_path_of(0), family.drop_path_of(family.depth - 1));
          } else {
            return std::pair(-1.0, -1.0);
          }
        },
        resolve(config));
  };
  const std::pair constant(0.3, 0.3), linear(0.0, 0.3);
  for (const char* name : {"vit_s16", "vit_h14_26x2", "cait_m36"})
    EXPECT_EQ(first_and_last(name, DropPathLaw::of_model), constant) << name;
  for (const char* name : {"deit_s16", "deit_s16_distilled"})
    EXPECT_EQ(first_and_last(name, DropPathLaw::of_model), linear) << name;
  EXPECT_EQ(first_and_last("vit_s16", DropPathLaw::linear), linear);
  EXPECT_EQ(first_and_last("deit_s16", DropPathLaw::constant), constant);
}

TEST(CatalogueTest, TimmsNamesHoldAnImageSize) {
  EXPECT_EQ(image_size_of_name("cait_m48_448"), 448);
  EXPECT_EQ(image_size_of_name("deit3_base_patch16_384"), 384);
  EXPECT_EQ(image_size_of_name("deit_base_patch16_224"), 224);
  for (const std::string& alias : model_aliases())
    EXPECT_THAT((std::set{224, 384, 448}), ::testing::Contains(image_size_of_name(alias))) << alias;
  for (const char* ours : {"regnety_160", "vit_h14_52", "cait_m48", "no_such_999", ""})
    EXPECT_EQ(image_size_of_name(ours), 224) << ours;
}

TEST(CatalogueTest, OverridesAndTheFloorRule) {
  ModelConfig config = config_named("vit_xxs4", 30);  // 30 / 8: three patches a side, six pixels unused
  config.patch = 8;
  config.width = 60;
  config.depth = 2;
  config.heads = 5;
  config.classes = 7;
  const ModelSummary summary = describe_model(config);
  EXPECT_EQ(summary.tokens, 10);
  EXPECT_EQ(summary.image_size, 30);
  EXPECT_EQ(summary.pixels_used, 24);
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
  EXPECT_THAT(refusal(config_named("vit_s61"), ExitCode::usage),
              AllOf(HasSubstr("model.name"), HasSubstr("vit_s16")));
  EXPECT_THAT(refusal(config_named("deit3_smal_patch16_224"), ExitCode::usage),
              HasSubstr("deit3_small_patch16_224"));
  EXPECT_THAT(refusal(config_named("cait_m49"), ExitCode::usage), HasSubstr("cait_m48"));
  EXPECT_THAT(refusal(config_named("regnety_161"), ExitCode::usage), HasSubstr("regnety_160"));
  refusal(config_named(""), ExitCode::usage);
}

TEST(CatalogueTest, ImpossibleNumbersAreRefusedByKey) {
  const auto with = [](auto change) {
    ModelConfig config = config_named("vit_s16");
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
  EXPECT_THAT(with([](ModelConfig& c) { c.parallel = 0; }), HasSubstr("model.parallel = 0"));
  for (const char* text :
       {"", "every:0", "every:", "every:2x", "blocks", "every:-1", "every:99999999999999999999"}) {
    EXPECT_THAT(with([&](ModelConfig& c) { c.activation_checkpointing = text; }),
                HasSubstr("model.activation_checkpointing"));
  }
}

TEST(CatalogueTest, WhatAFamilyHasNotIsRefusedByKey) {
  const auto with = [](const char* name, auto change) {
    ModelConfig config = config_named(name);
    change(config);
    return refusal(config, ExitCode::refused);
  };
  EXPECT_THAT(with("cait_s24", [](ModelConfig& c) { c.parallel = 2; }),
              AllOf(HasSubstr("model.parallel = 2"), HasSubstr("cait_s24")));
  EXPECT_THAT(with("cait_s24", [](ModelConfig& c) { c.heads = 7; }), HasSubstr("heads = 7"));
  EXPECT_THAT(with("regnety_160", [](ModelConfig& c) { c.width = 64; }), HasSubstr("model.width = 64"));
  EXPECT_THAT(with("regnety_160", [](ModelConfig& c) { c.layer_scale = 0.1; }),
              HasSubstr("model.layer_scale = 0.1"));
  EXPECT_THAT(with("regnety_160", [](ModelConfig& c) { c.classes = 0; }), HasSubstr("model.classes = 0"));
}

// Where a class token is read: of the last block its keys and values of all tokens, and the rest of that
// token.
TEST(Catalogue, TrainingComputesWhatIsRead) {
  struct Case {
    const char* name;
    std::int64_t tokens, read, branches = 1;
  };
  const auto left_out = [](const ModelConfig& config) {
    const ModelSummary whole = describe_model(config);
    return static_cast<double>(whole.macs) - whole.macs_in_training;
  };
  for (const Case& c :
       {Case{"vit_s16", 197, 1}, Case{"deit_s16_distilled", 198, 2}, Case{"vit_s16_18x2", 197, 1, 2}}) {
    ModelConfig config;
    config.name = c.name;
    const std::int64_t width = 384,
                       saved = 2 * width * width + 2 * width * c.tokens + 8 * width * width + 5 * width;
    EXPECT_EQ(left_out(config), static_cast<double>(c.branches * (c.tokens - c.read) * saved)) << c.name;
    if (c.read > 1) continue;
    config.pooling = Pooling::mean;
    EXPECT_EQ(left_out(config), 0) << c.name;
  }
  for (const char* name : {"cait_xxs24", "xcit_t12_p16", "resmlp_s12"}) {
    ModelConfig config;
    config.name = name;
    EXPECT_EQ(left_out(config), 0) << name;
  }
}

// A block's work from two depths; a constant rate leaves its share of each, a rising one half as much.
TEST(Catalogue, TrainingComputesWhatStochasticDepthLeaves) {
  struct Case {
    const char* name;
    double dropped;  // of all blocks, at drop_path = 0.5
  };
  for (const Case& c :
       {Case{"vit_h14", 0.5}, Case{"vit_s16_18x2", 0.5}, Case{"cait_m48", 0.5}, Case{"deit_b16", 0.25}}) {
    ModelConfig config;
    config.name = c.name;
    const ModelSummary whole = describe_model(config);
    const double unread = static_cast<double>(whole.macs) - whole.macs_in_training;  // of the last block
    config.drop_path = 0.5;
    const double computed = describe_model(config).macs_in_training;
    config.depth = 1;
    const std::int64_t one = describe_model(config).macs;
    config.depth = 2;
    const std::int64_t block = describe_model(config).macs - one;
    const double blocks = static_cast<double>(whole.macs - one) / static_cast<double>(block) + 1;
    const double dropped = c.dropped * blocks * static_cast<double>(block) - 0.5 * unread;
    EXPECT_NEAR(computed, whole.macs_in_training - dropped, 1e-9 * computed) << c.name;
  }
}

}  // namespace
}  // namespace vitrail::models
