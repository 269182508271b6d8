#include <fmt/format.h>
#include <gmock/gmock.h>

#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

ModelConfig projected(const std::string& name, bool batch_norm = false) {
  ModelConfig config;
  config.name = name;
  config.task_head = ProjectionConfig{.batch_norm = batch_norm};
  return config;
}

// Numbers of the head of DINO's code, and names as its checkpoints have them.
TEST(ProjectionHead, HasTheSizesAndNamesOfDinos) {
  for (const auto& [name, elements] : {std::pair("deit_s16", 22286592), {"deit_b16", 23073024}}) {
    std::int64_t head = 0;
    std::vector<std::string> names;
    for (const ParameterSpec& spec : parameters_of(projected(name))) {
      if (!spec.head) continue;
      names.push_back(spec.name);
      if (!spec.fixed) head += spec.elements();
    }
    EXPECT_EQ(head, elements) << name;
    EXPECT_THAT(names, ::testing::ElementsAre("head.mlp.0.weight", "head.mlp.0.bias", "head.mlp.2.weight",
                                              "head.mlp.2.bias", "head.mlp.4.weight", "head.mlp.4.bias",
                                              "head.last_layer.weight_g", "head.last_layer.weight_v"));
  }
}

TEST(ProjectionHead, WithBatchNormIsNumberedAsDinos) {
  std::vector<std::string> weights;
  for (const ParameterSpec& spec : parameters_of(projected("deit_ti16", true)))
    if (spec.head && spec.name.ends_with(".weight")) weights.push_back(spec.name);
  EXPECT_THAT(weights, ::testing::ElementsAre("head.mlp.0.weight", "head.mlp.1.weight", "head.mlp.3.weight",
                                              "head.mlp.4.weight", "head.mlp.6.weight"));
}

TEST(ProjectionHead, StandsInThePlaceOfOneLinearClassifier) {
  for (const char* const name : {"deit_ti16", "vit_s16", "resnet50", "xcit_s12_p16", "cait_xxs24"}) {
    for (const ParameterSpec& spec : parameters_of(projected(name)))
      EXPECT_TRUE(spec.head || spec.name.find("head") == std::string::npos) << name << " " << spec.name;
  }
  for (const char* const name : {"deit_ti16_distilled", "levit_128s", "patchconvnet_s60_multi"}) {
    try {
      parameters_of(projected(name));
      ADD_FAILURE() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::refused);
      EXPECT_THAT(e.what(), ::testing::HasSubstr(fmt::format("model.name = {}", name)));
    }
  }
}

}  // namespace
}  // namespace vitrail::models
