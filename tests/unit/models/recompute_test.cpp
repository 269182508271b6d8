// Computing parts of the network a second time in backward changes no bit, and no parameter's gradient is
// handed out more than once.
#include "models/layers/recompute.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "models/heads/logits.hpp"
#include "tests/unit/models/pattern.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::variable_list;

ModelConfig network(const std::string& name, const std::string& checkpointing) {
  ModelConfig config;
  config.name = name;
  config.image_size = 16;
  config.classes = 5;
  config.drop_path = 0.4;
  config.patch = 4;
  config.width = 32;
  config.depth = 5;
  config.heads = 4;
  config.layer_scale = 0.5;
  config.activation_checkpointing = checkpointing;
  return config;
}

// As the trainer takes gradients: by a hook on each accumulator, which leaves no .grad behind.
class Take final : public torch::autograd::FunctionPostHook {
 public:
  Take(Tensor parameter, std::vector<Tensor>& taken) : parameter_(std::move(parameter)), taken_(taken) {}
  variable_list operator()(const variable_list& outputs, const variable_list&) override {
    taken_.push_back(parameter_.grad().clone());
    parameter_.mutable_grad() = Tensor();
    return outputs;
  }

 private:
  Tensor parameter_;
  std::vector<Tensor>& taken_;
};

struct Recomputed {
  Tensor logits;
  std::vector<std::vector<Tensor>> gradients;  // of each parameter, as often as it was handed out
  std::vector<int> announced;
};

Recomputed train_once(const ModelConfig& config, at::ScalarType type) {
  const std::unique_ptr<Model> model = make_model(config);
  std::vector<Tensor> leaves = pattern_weights(model->parameters(), type);
  Recomputed outcome;
  outcome.gradients.resize(leaves.size());
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    leaves[i].requires_grad_();
    accumulators.push_back(torch::autograd::impl::grad_accumulator(leaves[i]));
    accumulators.back()->add_post_hook(std::make_unique<Take>(leaves[i], outcome.gradients[i]));
  }
  model->bind(leaves);
  Pass pass{.training = true, .seed = 4, .step = 7, .lane = 1};
  pass.before_block = [&](int block) { outcome.announced.push_back(block); };
  const Tensor images = pattern(kImagesPattern, {kImages, 3, 16, 16}, type);
  outcome.logits = model->forward(images, pass).mean();
  (outcome.logits * pattern(kProbePattern, {kImages, 5}, type)).sum().backward();
  return outcome;
}

class RecomputeTest : public ::testing::TestWithParam<std::tuple<std::string, std::string, at::ScalarType>> {
};

TEST_P(RecomputeTest, SameBitsAsKeepingAll) {
  const auto& [name, checkpointing, type] = GetParam();
  const Recomputed kept = train_once(network(name, "none"), type);
  const Recomputed again = train_once(network(name, checkpointing), type);
  EXPECT_TRUE(at::equal(kept.logits, again.logits));
  EXPECT_EQ(kept.announced, again.announced);
  for (std::size_t i = 0; i < kept.gradients.size(); ++i) {
    ASSERT_EQ(kept.gradients[i].size(), 1U);
    ASSERT_EQ(again.gradients[i].size(), 1U);
    EXPECT_TRUE(at::equal(kept.gradients[i][0], again.gradients[i][0])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, RecomputeTest,
                         ::testing::Combine(::testing::Values("vit_xxs4", "vit_s16_18x2",
                                                              "deit_ti16_distilled", "cait_xxs24"),
                                            ::testing::Values("attention", "block", "every:2", "every:9"),
                                            ::testing::Values(at::kFloat, at::kDouble)));

// What is kept: the input, and nothing of what the segment computes.
TEST(RecomputedTest, TheSegmentRunsTwiceAndOnlyTheSecondTimeIsRecorded) {
  const Tensor x = at::ones({3}).requires_grad_(), weight = at::full({3}, 2.0).requires_grad_();
  std::vector<bool> runs, recorded;
  const Tensor y = recomputed(x, [&](const Tensor& z, bool again) {
    runs.push_back(again);
    Tensor product = z * weight;
    recorded.push_back(product.requires_grad());
    return product;
  });
  EXPECT_EQ(runs, (std::vector<bool>{false}));
  y.sum().backward();
  EXPECT_EQ(runs, (std::vector<bool>{false, true}));
  EXPECT_EQ(recorded, (std::vector<bool>{false, true}));
  EXPECT_TRUE(at::equal(x.grad(), at::full({3}, 2.0)));
  EXPECT_TRUE(at::equal(weight.grad(), at::ones({3})));
}

TEST(RecomputedTest, ParametersBehindAnInputWithoutGradientGetTheirs) {
  const Tensor weight = at::full({3}, 2.0).requires_grad_();
  recomputed(at::ones({3}), [&](const Tensor& z, bool) { return z * weight; }).sum().backward();
  EXPECT_TRUE(at::equal(weight.grad(), at::ones({3})));
}

TEST(RecomputedTest, WithoutGradientsItRunsOnce) {
  const at::NoGradGuard no_grad;
  int runs = 0;
  const Tensor y = recomputed(at::ones({3}), [&](const Tensor& z, bool) {
    ++runs;
    return z * 2;
  });
  EXPECT_FALSE(y.requires_grad());
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace vitrail::models
