#include "models/heads/embedding_head.hpp"

#include <gmock/gmock.h>

#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

ParameterSpecs specs_of(const std::string& model, const EmbeddingConfig& head) {
  ModelConfig config;
  config.name = model;
  config.task_head = head;
  return parameters_of(config);
}

std::int64_t learned(const ParameterSpecs& specs) {
  std::int64_t elements = 0;
  for (const ParameterSpec& spec : specs) elements += spec.is_statistic() ? 0 : spec.elements();
  return elements;
}

// ResNet-50's trunk has 23,508,032. Grafit's table: 23.8 M with one layer of 128, 32.9 M with two of 4096 and
// 256.
TEST(EmbeddingHead, HasGrafitsSizes) {
  EXPECT_EQ(learned(specs_of("resnet50", {.linear = true, .outputs = 128, .predictor_hidden = 0})),
            23508032 + 2048 * 128 + 128);
  EXPECT_EQ(learned(specs_of("resnet50", {.predictor_hidden = 0})),
            23508032 + 2048 * 4096 + 4096 + 2 * 4096 + 4096 * 256 + 256);
}

TEST(EmbeddingHead, ItsNamesAreThoseOfLayersInARow) {
  std::vector<std::string> names;
  for (const ParameterSpec& spec : specs_of("deit_ti16", {}))
    if (spec.head && !spec.is_statistic()) names.push_back(spec.name);
  EXPECT_THAT(names, ::testing::ElementsAre(
                         "head.projector.0.weight", "head.projector.0.bias", "head.projector.1.weight",
                         "head.projector.1.bias", "head.projector.3.weight", "head.projector.3.bias",
                         "head.predictor.0.weight", "head.predictor.0.bias", "head.predictor.1.weight",
                         "head.predictor.1.bias", "head.predictor.3.weight", "head.predictor.3.bias"));
}

TEST(EmbeddingHead, StandsInThePlaceOfOneLinearClassifier) {
  EXPECT_THROW(specs_of("deit_ti16_distilled", {}), Error);
  for (const ParameterSpec& spec : specs_of("xcit_s12_p16", {}))
    EXPECT_TRUE(spec.head || spec.name.find("head") == std::string::npos) << spec.name;
}

}  // namespace
}  // namespace vitrail::models
