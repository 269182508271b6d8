// Maps of class attention against the weights that timm's modules multiply with
// (tests/peers/make_feature_fixtures.py), and who has none.
#include <map>

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/features.hpp"
#include "models/weights/weights.hpp"
#include "tests/unit/models/pattern.hpp"
#include "tests/unit/models/small_networks.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

struct Looking {
  std::string fixture;
  FamilyConfig config;
  std::int64_t cell;
  bool of_classes = false;
};

// Those of make_model_fixtures.py; the 2 pixels at the right of 14 fill no patch.
FamilyConfig of_kind(const std::string& name, std::int64_t depth, std::int64_t heads) {
  ModelConfig config;
  config.name = name;
  config.image_size = 14;
  config.classes = kFamilyClasses;
  config.patch = 4;
  config.width = 16;
  config.depth = depth;
  config.heads = heads;
  return resolve(config);
}

std::vector<Looking> networks_that_look() {
  std::vector<Looking> all = {{"deit", of_kind("deit_s16", 3, 2), 4},
                              {"deit_distilled", of_kind("deit_s16_distilled", 2, 2), 4},
                              {"vit_parallel", of_kind("vit_s16_18x2", 2, 2), 4},
                              {"cait_xxs", of_kind("cait_xxs24", 2, 4), 4}};
  const std::map<std::string, std::int64_t> cells = {
      {"vit_hmlp", 16},           {"xcit_p16", 16},    {"xcit_p8", 8},
      {"patchconvnet", 16},       {"resnet_attn", 32}, {"patchconvnet_bn", 16},
      {"patchconvnet_multi", 16}, {"convit", 4}};
  for (const SmallNetwork& network : small_networks()) {
    const auto cell = cells.find(network.fixture);
    if (cell != cells.end())
      all.push_back({network.fixture, network.config, cell->second, network.fixture == "patchconvnet_multi"});
  }
  return all;
}

std::unique_ptr<Model> filled(const FamilyConfig& config, at::ScalarType type) {
  auto model = std::visit([](const auto& family) { return make(family); }, config);
  model->bind(pattern_weights(model->parameters(), type));
  return model;
}

Tensor images_for(const FamilyConfig& config, at::ScalarType type) {
  const std::int64_t side = std::visit([](const auto& family) { return family.image_size; }, config);
  return 2 * pattern(kImagesPattern, {kImages, 3, side, side}, type);
}

class AttentionOf : public ::testing::TestWithParam<Looking> {};

TEST_P(AttentionOf, ClassTokensIsTheReferences) {
  const at::NoGradGuard no_grad;
  const SafetensorsReader file(VITRAIL_FIXTURES "/models/attention.safetensors");
  const std::string& name = GetParam().fixture;
  const Tensor reference = at::tensor(file.read_as_double(name), at::kDouble).view(file.info(name).shape);
  Pass pass;
  pass.features.attention = true;
  for (const auto& [type, tolerance] : {std::pair(at::kFloat, 1e-5), std::pair(at::kDouble, 1e-10)}) {
    const auto maps =
        filled(GetParam().config, type)->features(images_for(GetParam().config, type), pass).attention;
    ASSERT_TRUE(maps.has_value());
    ASSERT_EQ(maps->weights.sizes(), reference.sizes());
    EXPECT_LE((maps->weights.to(at::kDouble) - reference).abs().max().item<double>(), tolerance);
    EXPECT_EQ(maps->cell, GetParam().cell);
    EXPECT_EQ(maps->of_classes, GetParam().of_classes);
  }
  EXPECT_GE(reference.std().item<double>(), 0.005) << "maps that are flat prove nothing";
}

TEST_P(AttentionOf, NobodyPaysForWhatIsNotAsked) {
  const at::NoGradGuard no_grad;
  const Tensor images = images_for(GetParam().config, at::kFloat);
  EXPECT_FALSE(filled(GetParam().config, at::kFloat)->features(images, {}).attention.has_value());
}

INSTANTIATE_TEST_SUITE_P(Networks, AttentionOf, ::testing::ValuesIn(networks_that_look()),
                         [](const auto& instance) { return instance.param.fixture; });

TEST(Attention, IsRefusedByNameWhereNoClassTokenAsks) {
  const at::NoGradGuard no_grad;
  Pass pass;
  pass.features.attention = true;
  std::size_t refused = 0;
  for (const SmallNetwork& network : small_networks()) {
    if (network.fixture != "resnet_basic" && network.fixture != "resnet_bottleneck" &&
        network.fixture != "resmlp" && network.fixture != "levit")
      continue;
    try {
      filled(network.config, at::kFloat)->features(images_for(network.config, at::kFloat), pass);
      ADD_FAILURE() << network.fixture;
    } catch (const Error& e) {
      ++refused;
      EXPECT_EQ(e.code(), ExitCode::refused);
      EXPECT_STREQ(e.what(), "small has no class token that asks patches: there is no attention to show");
      EXPECT_NE(e.hint().find("PatchConvNet and resnet50_attn"), std::string::npos);
    }
  }
  EXPECT_EQ(refused, 4U);
}

// Halves are stored on CPUs; what they weigh is looked at in fp32.
TEST(Attention, OfHalvesIsFp32) {
  const at::NoGradGuard no_grad;
  Pass pass;
  pass.features.attention = true;
  const FamilyConfig config = of_kind("cait_xxs24", 2, 4);
  auto model = std::visit([](const auto& family) { return make(family); }, config);
  std::vector<Tensor> weights = pattern_weights(model->parameters(), at::kFloat);
  for (std::size_t p = 0; p < weights.size(); ++p) {
    if (model->parameters()[p].in_compute_type) weights[p] = weights[p].to(at::kBFloat16);
  }
  model->bind(weights);
  const auto maps = model->features(images_for(config, at::kFloat).to(at::kBFloat16), pass).attention;
  EXPECT_EQ(maps->weights.scalar_type(), at::kFloat);
  EXPECT_LE(maps->weights.sum({2, 3}).max().item<double>(), 1);
}

}  // namespace
}  // namespace vitrail::models
