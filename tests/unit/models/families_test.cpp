// What the families beside ViT and CaiT declare, against timm's networks or those re-derived where timm has
// none (tests/peers/make_family_fixtures.py).
#include "models/families/families.hpp"

#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::models {
namespace {

using ::testing::HasSubstr;

nlohmann::json references() {
  return nlohmann::json::parse(read_text(VITRAIL_FIXTURES "/models/families.json"));
}

ModelConfig family_named(const std::string& name, std::int64_t image_size = 224) {
  ModelConfig config;
  config.name = name;
  config.image_size = image_size;
  return config;
}

std::map<std::string, ParameterSpec> specs_of(const std::string& name) {
  std::map<std::string, ParameterSpec> specs;
  for (const ParameterSpec& spec : parameters_of(family_named(name))) specs[spec.name] = spec;
  return specs;
}

TEST(Families, ParametersAndMacsAreTheReferences) {
  const auto table = references();
  ASSERT_EQ(table.at("networks").size(), 58U);
  for (const auto& row : table.at("networks")) {
    const ModelSummary summary = describe_model(family_named(row.at("name"), row.at("image_size")));
    EXPECT_EQ(summary.params, row.at("params").get<std::int64_t>()) << row;
    const auto macs = row.at("products").get<double>() + row.at("norms").get<double>();
    EXPECT_NEAR(static_cast<double>(summary.macs), macs, 1e-3 * macs) << row;
  }
}

struct Published {
  const char* name;
  std::int64_t params;  // counted by others
  double giga_macs;     // of products, to two digits behind the point; 0: unknown
  const char* printed_millions;
  const char* printed_giga;  // empty: not printed
};

// Touvron's thesis and the papers of each family, beside counts of the published modules.
const std::vector<Published> kPublished = {
    {"resnet18", 11'689'512, 0, "", ""},
    {"resnet50", 25'557'032, 4.09, "25.6", "4.1"},
    {"resnet101", 44'549'160, 7.80, "44.5", "7.9"},
    {"resnet152", 60'192'808, 11.51, "60.2", "11.6"},
    {"regnety_040", 20'646'656, 3.97, "20.6", "4.0"},
    {"regnety_080", 39'180'068, 7.96, "39.2", "8.0"},
    {"regnety_120", 51'822'544, 12.09, "52", "12.0"},
    {"regnety_320", 145'046'770, 32.28, "145", "32.0"},
    {"resmlp_s12", 15'350'872, 3.01, "15.4", "3.0"},
    {"resmlp_s24", 30'020'680, 5.96, "30.0", "6.0"},
    {"resmlp_s36", 44'690'488, 8.91, "", ""},
    {"resmlp_b24", 115'736'776, 23.02, "115.7", "23.0"},
    {"resmlp_b24_8", 129'138'280, 100.23, "129.1", "100.2"},
    {"resmlp_s12_14", 15'607'912, 3.98, "15.6", "4.0"},
    {"resmlp_s12_8", 22'051'624, 13.99, "22.1", "14.0"},
    {"xcit_n12_p16", 3'053'224, 0.55, "3", ""},
    {"xcit_t12_p16", 6'716'272, 1.23, "7", ""},
    {"xcit_t24_p16", 12'116'896, 2.32, "12", ""},
    {"xcit_s12_p16", 26'253'304, 4.80, "26.3", "4.8"},
    {"xcit_s24_p16", 47'671'384, 9.06, "47.7", "9.1"},
    {"xcit_m24_p16", 84'395'752, 16.08, "84.4", "16.2"},
    {"xcit_l24_p16", 189'096'136, 35.79, "189", ""},
    {"patchconvnet_s20", 10'235'896, 1.64, "", ""},
    {"patchconvnet_s36", 16'233'976, 2.57, "16.2", "2.6"},
    {"patchconvnet_s60", 25'231'096, 3.98, "25.2", "4.0"},
    {"patchconvnet_s120", 47'723'896, 7.49, "47.7", "7.5"},
    {"patchconvnet_b36", 63'699'976, 10.21, "", ""},
    {"patchconvnet_b60", 99'388'936, 15.80, "99.4", "15.8"},
    {"patchconvnet_b120", 188'611'336, 29.77, "188.6", "29.9"},
    {"patchconvnet_l60", 176'009'576, 28.04, "", "28.1"},
    {"patchconvnet_l120", 334'294'376, 52.85, "", "53.0"},
    {"patchconvnet_s60_multi", 25'614'712, 5.31, "25.6", "5.3"},
    {"resnet50_attn", 0, 4.54, "67.5", "4.6"},
    {"convit_ti", 5'710'512, 1.25, "", ""},
    {"convit_s", 27'777'322, 5.75, "27.8", "5.8"},
    {"convit_b", 86'540'040, 17.51, "86.5", "17.5"},
    {"levit_128s", 7'777'058, 0, "7.8", "0.305"},
    {"levit_128", 9'213'936, 0, "9.2", "0.406"},
    {"levit_192", 10'947'069, 0, "11", "0.658"},
    {"levit_256", 18'893'876, 0, "19", "1.120"},
    {"levit_384", 39'128'836, 0, "39", "2.353"},
};

TEST(Families, PublishedFiguresAreReached) {
  const auto table = references();  // items() looks into it
  for (const Published& row : kPublished) {
    const ModelSummary summary = describe_model(family_named(row.name));
    if (row.params > 0) {
      EXPECT_EQ(summary.params, row.params) << row.name;
    }
    for (const auto& counted : table.at("networks")) {
      if (counted.at("name") != row.name || counted.at("image_size") != 224 || row.giga_macs == 0) continue;
      const double giga = counted.at("products").get<double>() / 1e9;
      EXPECT_NEAR(giga, row.giga_macs, std::max(0.0051, 1e-3 * giga)) << row.name;
    }
    const auto expect_printed = [&](const std::string& printed, double own) {
      if (printed.empty()) return;
      const double value = std::stod(printed);
      const bool whole = printed.find('.') == std::string::npos;
      EXPECT_NEAR(own, value, whole ? 0.5 : std::max(0.014 * value, 0.05)) << row.name << " " << printed;
    };
    expect_printed(row.printed_millions, static_cast<double>(summary.params) / 1e6);
    expect_printed(row.printed_giga, static_cast<double>(summary.macs) / 1e9);
  }
}

TEST(Families, NamesShapesAndOrderOfTensorsAreTheReferences) {
  const auto table = references();
  ASSERT_EQ(table.at("parameters").size(), 12U);
  for (const auto& [name, rows] : table.at("parameters").items()) {
    const std::vector<ParameterSpec> specs = parameters_of(family_named(name));
    ASSERT_EQ(specs.size(), rows.size()) << name;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      EXPECT_EQ(specs[i].name, rows[i][0].get<std::string>()) << name;
      EXPECT_EQ(specs[i].shape, rows[i][1].get<std::vector<std::int64_t>>()) << name << " " << specs[i].name;
    }
  }
}

// timm's rule by shapes and names decays what the authors' codes did not, and the other way round: ResMLP's
// affine maps are vectors there, XCiT's positions are not named, class tokens of what is re-derived here have
// no rule.
bool decays_in_timm(const ParameterSpec& spec, const std::set<std::string>& by_rule) {
  const std::string& name = spec.name;
  if (name.ends_with(".alpha") || name.ends_with(".beta") || name == "cls_token") return false;
  return name == "pos_embed.token_projection.weight" || by_rule.contains(name);
}

TEST(Families, WhatDecays) {
  const auto table = references();
  for (const auto& [name, rule] : table.at("decay").items()) {
    const auto by_rule = rule.get<std::set<std::string>>();
    for (const auto& [parameter, spec] : specs_of(name)) {
      if (spec.is_statistic()) continue;
      EXPECT_EQ(spec.decays, decays_in_timm(spec, by_rule)) << name << " " << parameter;
    }
  }
  EXPECT_TRUE(table.at("decay").at("resmlp_s12").dump().find("norm1.alpha") != std::string::npos);
}

TEST(Families, TheTrapsOfDecayAndStorage) {
  struct Trap {
    const char *network, *parameter;
    bool decays, in_compute_type;
  };
  for (const auto& [network, parameter, decays, in_compute_type] :
       {Trap{"resmlp_s12", "blocks.0.norm1.alpha", false, false},
        Trap{"resmlp_s12", "norm.beta", false, false},
        Trap{"resmlp_s12", "blocks.0.linear_tokens.weight", true, true},
        Trap{"xcit_t12_p16", "blocks.0.attn.temperature", true, false},
        Trap{"xcit_t12_p16", "pos_embed.token_projection.weight", true, true},
        Trap{"levit_128s", "stages.0.blocks.0.attn.attention_biases", false, false},
        Trap{"convit_ti", "blocks.0.attn.pos_proj.weight", true, true},
        Trap{"convit_ti", "blocks.0.attn.gating_param", false, false},
        Trap{"patchconvnet_s60_multi", "cls_token", false, false},
        Trap{"patchconvnet_s60_multi", "head.7.weight", true, true},
        Trap{"resnet50", "bn1.weight", false, false}}) {
    const ParameterSpec spec = specs_of(network).at(parameter);
    EXPECT_EQ(spec.decays, decays) << network << " " << parameter;
    EXPECT_EQ(spec.in_compute_type, in_compute_type) << network << " " << parameter;
  }
}

// Branches begin as nothing where the authors' codes begin them so.
TEST(Families, WhatStartsAtAConstant) {
  struct Start {
    const char *network, *parameter;
    double value;
  };
  for (const auto& [network, parameter, value] :
       {Start{"resmlp_s12", "blocks.0.ls1", 0.1}, Start{"resmlp_s24", "blocks.0.ls2", 1e-5},
        Start{"resmlp_s36", "blocks.0.ls1", 1e-6}, Start{"resmlp_b24", "blocks.0.ls1", 1e-6},
        Start{"xcit_s12_p8", "blocks.0.gamma3", 1}, Start{"xcit_m24_p16", "cls_attn_blocks.1.gamma2", 1e-5},
        Start{"patchconvnet_s60", "blocks.0.gamma_1", 1e-4},
        Start{"patchconvnet_b60", "blocks_token_only.0.gamma_2", 1e-6},
        Start{"resnet50", "layer1.0.bn3.weight", 0}, Start{"resnet50", "layer1.0.bn2.weight", 1},
        Start{"resnet18", "layer1.0.bn2.weight", 0}, Start{"regnety_040", "s1.b1.conv3.bn.weight", 0},
        Start{"levit_128s", "stages.0.blocks.0.attn.proj.ln.bn.weight", 0},
        Start{"levit_128s", "stages.1.downsample.attn_downsample.proj.ln.bn.weight", 1},
        Start{"levit_128s", "stages.1.downsample.mlp.ln2.bn.weight", 0},
        Start{"convit_ti", "blocks.0.attn.gating_param", 1}}) {
    const Init init = specs_of(network).at(parameter).init;
    EXPECT_EQ(init.law, Init::Law::constant) << network << " " << parameter;
    EXPECT_EQ(init.value, value) << network << " " << parameter;
  }
}

// Heads begin as the taps of a 3 x 3 kernel, values as they are.
TEST(Families, ConvitBeginsAsAConvolution) {
  const auto specs = specs_of("convit_s");
  const auto values_of = [&](const std::string& name) {
    const ParameterSpec& spec = specs.at(name);
    std::vector<double> values(static_cast<std::size_t>(spec.elements()));
    fill_initial(spec.init, 1, name, 0, values);
    std::vector<double> slice(3);
    fill_initial(spec.init, 1, name, 2, slice);
    EXPECT_EQ(slice, std::vector<double>(values.begin() + 2, values.begin() + 5));
    return values;
  };
  const std::vector<double> places = values_of("blocks.3.attn.pos_proj.weight");
  for (std::int64_t head = 0; head < 9; ++head) {
    const std::size_t row = 3 * static_cast<std::size_t>(head);
    const std::int64_t right = head / 3 - 1, below = head % 3 - 1;
    const auto across = static_cast<double>(right), down = static_cast<double>(below);
    EXPECT_EQ(std::vector<double>(places.begin() + 3 * head, places.begin() + 3 * head + 3),
              (std::vector<double>{2 * across, 2 * down, -1}))
        << row;
  }
  const std::vector<double> values = values_of("blocks.3.attn.v.weight");
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i % 433 == 0 ? 1 : 0);
}

TEST(Families, KeptActivationsAreWhatAutogradKeeps) {
  const auto table = references();
  for (const auto& [name, bytes] : table.at("activation_bytes_of_one_more_image").items()) {
    ModelConfig config = family_named(name, 64);
    config.classes = 10;
    const auto kept = bytes.get<double>();
    EXPECT_NEAR(static_cast<double>(describe_model(config).activation_bytes), kept, 0.03 * kept) << name;
  }
}

TEST(Families, WhatAFamilyHasNotIsRefusedByKey) {
  const auto with = [](const char* name, auto change) -> std::string {
    ModelConfig config = family_named(name);
    change(config);
    try {
      describe_model(config);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::refused) << error.what();
      return error.what();
    }
    return "not refused";
  };
  EXPECT_THAT(with("resnet50", [](ModelConfig& c) { c.depth = 3; }), HasSubstr("model.depth = 3"));
  EXPECT_THAT(with("resnet50", [](ModelConfig& c) { c.layer_scale = 0.1; }), HasSubstr("model.layer_scale"));
  EXPECT_EQ(with("resnet50_attn", [](ModelConfig& c) { c.layer_scale = 0.1; }), "not refused");
  EXPECT_THAT(with("levit_128s", [](ModelConfig& c) { c.patch = 8; }), HasSubstr("model.patch = 8"));
  EXPECT_THAT(with("resmlp_s12", [](ModelConfig& c) { c.heads = 2; }), HasSubstr("model.heads = 2"));
  EXPECT_THAT(with("resmlp_s12", [](ModelConfig& c) { c.parallel = 2; }), HasSubstr("model.parallel = 2"));
  EXPECT_THAT(with("xcit_t12_p16", [](ModelConfig& c) { c.patch = 4; }), HasSubstr("model.patch = 4"));
  EXPECT_THAT(with("xcit_t12_p16", [](ModelConfig& c) { c.width = 100; }), HasSubstr("model.width = 100"));
  EXPECT_THAT(with("patchconvnet_s60", [](ModelConfig& c) { c.heads = 2; }), HasSubstr("model.heads = 2"));
  EXPECT_THAT(with("patchconvnet_s60", [](ModelConfig& c) { c.patch = 8; }), HasSubstr("model.patch = 8"));
  EXPECT_THAT(with("convit_s", [](ModelConfig& c) { c.heads = 6; }), HasSubstr("model.heads = 6"));
  EXPECT_THAT(with("convit_s", [](ModelConfig& c) { c.layer_scale = 1; }),
              HasSubstr("model.layer_scale = 1"));
  EXPECT_THAT(with("vit_s16_hmlp", [](ModelConfig& c) { c.patch = 8; }), HasSubstr("model.patch = 8"));
}

}  // namespace
}  // namespace vitrail::models
