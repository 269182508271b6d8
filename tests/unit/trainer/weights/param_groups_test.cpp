#include "trainer/weights/param_groups.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/families/catalogue.hpp"

namespace vitrail::trainer {
namespace {

nlohmann::json fixture(const std::string& name) {
  std::ifstream file(VITRAIL_FIXTURES "/trainer/" + name);
  return nlohmann::json::parse(file);
}

// timm's model, cut to that depth.
std::vector<models::ParameterSpec> declared(const std::string& name, std::optional<std::int64_t> depth) {
  models::ModelConfig config;
  config.name = name;
  config.depth = depth;
  return models::parameters_of(config);
}

TEST(ParamGroups, DecayIsTimms) {
  const auto by_model = fixture("decay.json");
  EXPECT_EQ(by_model.size(), 4U);
  for (const auto& [model, groups] : by_model.items()) {
    const auto specs = declared(model, model.starts_with("regnet") ? std::nullopt : std::optional(1));
    std::size_t found = 0;
    for (const auto& spec : specs) {
      const auto dimensions = static_cast<std::int64_t>(spec.shape.size());
      if (spec.is_statistic()) continue;
      ++found;
      const auto& group = groups.at(spec.decays ? "decayed" : "plain");
      ASSERT_TRUE(group.contains(spec.name)) << model << ": " << spec.name;
      EXPECT_EQ(group.at(spec.name), dimensions) << model << ": " << spec.name;
    }
    EXPECT_EQ(found, groups.at("decayed").size() + groups.at("plain").size()) << model;
  }
}

TEST(ParamGroups, LayerDecayIsTimms) {
  const std::map<std::string, std::int64_t> depths = {
      {"deit3_small_patch16_224", 4}, {"deit_tiny_distilled_patch16_224", 3}, {"cait_xxs24_224", 5}};
  const auto by_model = fixture("layer_decay.json");
  EXPECT_EQ(by_model.size(), 3U);
  sharding::OptimizerConfig optimizer;
  optimizer.layer_decay = 0.75;
  for (const auto& [model, parameters] : by_model.items()) {
    const auto specs = declared(model, depths.at(model));
    const auto rules = parameter_rules(specs, optimizer);
    ASSERT_EQ(specs.size(), parameters.size()) << model;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      EXPECT_EQ(specs[i].name, parameters.at(i).at(0)) << model;
      EXPECT_NEAR(rules[i].lr_scale, parameters.at(i).at(2).get<double>(), 1e-15)
          << model << ": " << specs[i].name;
    }
  }
}

// timm's unitwise_norm: over all dimensions but the first, over the whole of a vector.
TEST(ParamGroups, UnitsAreRowsAndVectors) {
  const std::map<std::string, std::int64_t> units = {{"stem.conv1.linear.weight", 27},
                                                     {"stem.conv1.bn.weight", 16},
                                                     {"stages.0.blocks.0.attn.attention_biases", 196},
                                                     {"stages.0.blocks.0.attn.qkv.linear.weight", 128},
                                                     {"head_dist.linear.weight", 384},
                                                     {"head_dist.linear.bias", 1000}};
  const auto specs = declared("levit_128s", std::nullopt);
  sharding::OptimizerConfig without_head;
  without_head.clip_adaptive_head = false;
  const auto all = parameter_rules(specs, {}), others = parameter_rules(specs, without_head);
  std::size_t found = 0;
  for (std::size_t p = 0; p < specs.size(); ++p) {
    const auto unit = units.find(specs[p].name);
    if (unit == units.end()) continue;
    ++found;
    EXPECT_EQ(all[p].unit, unit->second) << specs[p].name;
    EXPECT_EQ(others[p].unit, specs[p].name.starts_with("head") ? 0 : unit->second) << specs[p].name;
  }
  EXPECT_EQ(found, units.size());
}

TEST(ParamGroups, ByParameterInTheirOrder) {
  const std::vector<models::ParameterSpec> specs = {
      {.name = "token", .shape = {1, 1, 2}},
      {.name = "matrix", .shape = {2, 2}, .head = true, .decays = true, .in_compute_type = true},
      {.name = "bias", .shape = {2}},
      {.name = "mean", .shape = {2}, .role = models::Role::statistic}};
  sharding::OptimizerConfig optimizer;
  optimizer.weight_decay = 0.05;
  const auto rules = parameter_rules(specs, optimizer);
  const auto head_only = parameter_rules(specs, optimizer, "matrix");
  for (std::size_t p = 0; p < specs.size(); ++p) {
    EXPECT_EQ(rules[p].weight_decay, p == 1 ? 0.05 : 0);
    EXPECT_EQ(rules[p].lr_scale, 1);
    EXPECT_EQ(rules[p].statistic_share, p == 3 ? 0.1 : 0);
    EXPECT_EQ(head_only[p].statistic_share, 0);
  }
  const auto shapes = shapes_for_plan(specs);
  ASSERT_EQ(shapes.size(), 4U);
  EXPECT_EQ(shapes[1].name, "matrix");
  EXPECT_EQ(shapes[1].elements, 4);
  EXPECT_TRUE(shapes[1].matrix && shapes[1].head);
  EXPECT_FALSE(shapes[0].matrix || shapes[2].matrix || shapes[0].head);
  EXPECT_EQ(stored_type(specs[1], DataType::f16), DataType::f16);
  EXPECT_EQ(stored_type(specs[3], DataType::f16), DataType::f32);
}

}  // namespace
}  // namespace vitrail::trainer
