#include "trainer/param_groups.hpp"

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
  const auto models = nlohmann::json::parse(file);
  EXPECT_EQ(models.size(), 3U);
  for (const auto& [model, groups] : models.items()) {
    for (const auto& [name, dimensions] : groups.at("plain").items()) {
      EXPECT_FALSE(is_decayed(spec(name, dimensions))) << model << ": " << name;
    }
    for (const auto& [name, dimensions] : groups.at("decayed").items()) {
      EXPECT_TRUE(is_decayed(spec(name, dimensions))) << model << ": " << name;
    }
  }
}

TEST(ParamGroups, ByParameterInTheirOrder) {
  const std::vector<models::ParameterSpec> specs = {spec("cls_token", 3), spec("head.weight", 2),
                                                    spec("head.bias", 1)};
  EXPECT_EQ(weight_decay_by_parameter(specs, 0.05), (std::vector<double>{0, 0.05, 0}));
  const auto shapes = shapes_for_plan(specs);
  ASSERT_EQ(shapes.size(), 3U);
  EXPECT_EQ(shapes[1].name, "head.weight");
  EXPECT_EQ(shapes[1].elements, 4);
  EXPECT_TRUE(shapes[1].matrix);
  EXPECT_FALSE(shapes[0].matrix || shapes[2].matrix);
}

}  // namespace
}  // namespace vitrail::trainer
