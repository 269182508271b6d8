// What a family declares of its parameters against what its forward pass does with them.
#include "models/declaration.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/families/catalogue.hpp"
#include "models/families/families.hpp"
#include "models/heads/logits.hpp"
#include "models/model.hpp"
#include "tests/unit/models/pattern.hpp"
#include "tests/unit/models/small_networks.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

ModelConfig small(const std::string& name) {
  ModelConfig config;
  config.name = name;
  config.image_size = 32;
  config.classes = 5;
  if (name.starts_with("regnet")) return config;
  config.patch = 8;
  config.width = 32;
  config.depth = 3;
  config.heads = 4;
  return config;
}

struct Form {
  std::string name;
  FamilyConfig config;
};

// One of each form; that no family is missing is counted below.
std::vector<Form> forms() {
  std::vector<Form> all;
  for (const char* name :
       {"vit_s16", "vit_s16_18x2", "deit_s16", "deit_s16_distilled", "cait_xxs24", "regnety_002"})
    all.push_back({name, resolve(small(name))});
  for (SmallNetwork network : small_networks()) {
    // Attention of fewer keys than a vector's lanes makes numbers of what is none.
    const auto enlarge = [](auto& config) {
      if constexpr (requires { config.patch; })
        config.image_size = 5 * config.patch;
      else
        config.image_size = 5 * 32;
    };
    std::visit(enlarge, network.config);
    all.push_back({network.fixture, network.config});
  }
  return all;
}

class DeclarationTest : public ::testing::TestWithParam<Form> {
 protected:
  static std::unique_ptr<Model> network() {
    return std::visit([](const auto& config) { return make(config); }, GetParam().config);
  }
  static std::int64_t image_size() {
    return std::visit([](const auto& config) { return config.image_size; }, GetParam().config);
  }

  // The prediction where every parameter is no number before the pass enters the block that `arrives_at`
  // names.
  template <class ArrivesAt>
  bool is_finite(ArrivesAt arrives_at) {
    const at::NoGradGuard no_grad;
    const std::unique_ptr<Model> model = network();
    const ParameterSpecs& specs = model->parameters();
    const std::vector<Tensor> values = pattern_weights(specs, at::kFloat);
    std::vector<Tensor> tensors;
    for (const Tensor& value : values) tensors.push_back(at::full_like(value, NAN));
    model->bind(tensors);
    Pass pass;
    pass.before_block = [&](int block) {
      for (std::size_t p = 0; p < specs.size(); ++p) {
        if (arrives_at(specs[p]) == block) tensors[p].copy_(values[p]);
      }
    };
    const Tensor images = pattern(kImagesPattern, {2, 3, image_size(), image_size()}, at::kFloat);
    return model->forward(images, pass).mean().isfinite().all().item<bool>();
  }
};

// A run waits for weights at the blocks that are declared.
TEST_P(DeclarationTest, ForwardReadsEveryParameterFirstInItsBlock) {
  EXPECT_TRUE(is_finite([](const ParameterSpec& spec) { return spec.block; }));
  const ParameterSpecs specs = network()->parameters();
  for (const ParameterSpec& late : specs) {
    EXPECT_FALSE(is_finite([&](const ParameterSpec& spec) {
      return spec.name == late.name ? spec.block + 1 : spec.block;
    })) << late.name
        << " is declared before it is used";
  }
}

TEST_P(DeclarationTest, BlocksAreEnteredInTheirOrder) {
  const std::unique_ptr<Model> model = network();
  model->bind(pattern_weights(model->parameters(), at::kFloat));
  std::vector<int> entered, expected;
  Pass pass;
  pass.before_block = [&](int block) { entered.push_back(block); };
  model->forward(at::zeros({1, 3, image_size(), image_size()}), pass);
  int last = 0;
  for (const ParameterSpec& spec : model->parameters()) last = std::max(last, spec.block);
  for (int block = 0; block <= last; ++block) expected.push_back(block);
  EXPECT_EQ(entered, expected);
}

// Layers for layer decay go up to the head's, which alone is of the last.
TEST_P(DeclarationTest, TheHeadIsTheLastLayer) {
  int last = 0;
  const ParameterSpecs specs = network()->parameters();
  for (const ParameterSpec& spec : specs) last = std::max(last, spec.layer);
  for (const ParameterSpec& spec : specs) EXPECT_EQ(spec.head, spec.layer == last) << spec.name;
}

INSTANTIATE_TEST_SUITE_P(Forms, DeclarationTest, ::testing::ValuesIn(forms()),
                         [](const auto& form) { return form.param.name; });

TEST(DeclarationForms, AreOfEveryFamily) {
  const auto family = [](const std::string& name) {
    return name.substr(0, name.find_first_of("_0123456789"));
  };
  std::set<std::string> tested;
  for (const Form& form : forms()) tested.insert(family(form.name));
  for (const std::string& name : known_models()) EXPECT_THAT(tested, ::testing::Contains(family(name)));
}

}  // namespace
}  // namespace vitrail::models
