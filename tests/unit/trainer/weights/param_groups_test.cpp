#include "trainer/weights/param_groups.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vitrail::trainer {
namespace {

models::ParameterSpec spec(const std::string& name, std::int64_t dimensions) {
  return {name, std::vector<std::int64_t>(static_cast<std::size_t>(dimensions), 2), {}};
}

TEST(ParamGroups, DecayIsTimms) {
  std::ifstream file(VITRAIL_FIXTURES "/trainer/decay.json");
  const auto by_model = nlohmann::json::parse(file);
  EXPECT_EQ(by_model.size(), 3U);
  for (const auto& [model, groups] : by_model.items()) {
    for (const auto& [name, dimensions] : groups.at("plain").items()) {
      EXPECT_FALSE(is_decayed(spec(name, dimensions))) << model << ": " << name;
    }
    for (const auto& [name, dimensions] : groups.at("decayed").items()) {
      EXPECT_TRUE(is_decayed(spec(name, dimensions))) << model << ": " << name;
    }
  }
}

TEST(ParamGroups, LayerDecayIsTimms) {
  std::ifstream file(VITRAIL_FIXTURES "/trainer/layer_decay.json");
  const auto by_model = nlohmann::json::parse(file);
  EXPECT_EQ(by_model.size(), 3U);
  sharding::OptimizerConfig optimizer;
  optimizer.layer_decay = 0.75;
  for (const auto& [model, parameters] : by_model.items()) {
    std::vector<models::ParameterSpec> specs;
    for (const auto& p : parameters) specs.push_back(spec(p.at(0), p.at(1)));
    const auto rules = parameter_rules(specs, optimizer);
    for (std::size_t i = 0; i < rules.size(); ++i) {
      EXPECT_NEAR(rules[i].lr_scale, parameters.at(i).at(2).get<double>(), 1e-15)
          << model << ": " << specs[i].name;
    }
  }
}

TEST(ParamGroups, ByParameterInTheirOrder) {
  const std::vector<models::ParameterSpec> specs = {spec("cls_token", 3), spec("head.weight", 2),
                                                    spec("head.bias", 1)};
  sharding::OptimizerConfig optimizer;
  optimizer.weight_decay = 0.05;
  std::vector<double> decay;
  for (const auto& rule : parameter_rules(specs, optimizer)) {
    decay.push_back(rule.weight_decay);
    EXPECT_EQ(rule.lr_scale, 1);
  }
  EXPECT_EQ(decay, (std::vector<double>{0, 0.05, 0}));
  const auto shapes = shapes_for_plan(specs);
  ASSERT_EQ(shapes.size(), 3U);
  EXPECT_EQ(shapes[1].name, "head.weight");
  EXPECT_EQ(shapes[1].elements, 4);
  EXPECT_TRUE(shapes[1].matrix);
  EXPECT_FALSE(shapes[0].matrix || shapes[2].matrix);
}

}  // namespace
}  // namespace vitrail::trainer
