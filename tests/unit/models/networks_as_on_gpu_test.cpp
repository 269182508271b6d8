// Whole networks by a GPU's passes, autograd and all, against the CPU's. The GPU is the host
// (tests/support/gpu_on_host), where tensors lie, too.
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/heads/logits.hpp"
#include "models/model.hpp"
#include "tests/support/gpu_on_host/gpu_on_host.hpp"
#include "tests/unit/models/pattern.hpp"

namespace vitrail::models {
namespace {

struct NetworkCase {
  const char* name;
  at::ScalarType type;  // of matrices
  double tolerance;
};

// Logits, then the gradients of all parameters.
std::vector<at::Tensor> outcome(const NetworkCase& c, bool as_on_gpu) {
  ModelConfig config;
  config.name = c.name;
  config.image_size = 16;
  config.classes = 5;
  config.drop_path = 0.4;
  config.patch = 4;
  config.width = 64;  // heads of 16 numbers, which the fused kernels take
  config.depth = 3;
  config.heads = 4;
  config.layer_scale = 0.5;
  const std::unique_ptr<Model> model = make_model(config);
  if (as_on_gpu) model->compute_as_on_gpu();
  std::vector<at::Tensor> leaves = pattern_weights(model->parameters(), at::kFloat);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (model->parameters()[i].in_compute_type) leaves[i] = leaves[i].to(c.type);
    leaves[i].requires_grad_();
  }
  model->bind(leaves);
  const Pass pass{.training = true, .seed = 4, .step = 7, .lane = 1};
  const at::Tensor images = pattern(kImagesPattern, {kImages, 3, 16, 16}, c.type);
  const at::Tensor logits = model->forward(images, pass).mean();
  std::vector<at::Tensor> all =
      torch::autograd::grad({logits}, leaves, {pattern(kProbePattern, {kImages, 5}, at::kFloat)});
  all.insert(all.begin(), logits.detach());
  return all;
}

class NetworksAsOnGpuTest : public testing::TestWithParam<NetworkCase> {};

TEST_P(NetworksAsOnGpuTest, HaveTheLogitsAndGradientsOfTheCpu) {
  tests::gpu_on_host::take_counts();
  const std::vector<at::Tensor> gpu = outcome(GetParam(), true);
  EXPECT_GT(tests::gpu_on_host::take_counts().launches, 0);
  const std::vector<at::Tensor> cpu = outcome(GetParam(), false);
  EXPECT_EQ(tests::gpu_on_host::take_counts().launches, 0);
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    EXPECT_EQ(gpu[i].scalar_type(), cpu[i].scalar_type()) << i;
    const at::Tensor exact = cpu[i].to(at::kDouble);
    const double size = std::max(1.0, exact.norm().item<double>());
    EXPECT_LE((gpu[i].to(at::kDouble) - exact).norm().item<double>(), GetParam().tolerance * size) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, NetworksAsOnGpuTest,
                         testing::Values(NetworkCase{"vit_xxs4", at::kFloat, 1e-5},
                                         NetworkCase{"vit_xxs4", at::kHalf, 1e-2},
                                         NetworkCase{"cait_xxs24", at::kFloat, 1e-5},
                                         NetworkCase{"cait_xxs24", at::kHalf, 1e-2},
                                         NetworkCase{"cait_xxs24", at::kBFloat16, 5e-2}));

}  // namespace
}  // namespace vitrail::models
