// Dropout: what a ViT computes with given masks is timm's (tests/peers/make_model_fixtures.py), and the masks
// that it draws are Philox's, whoever draws them.
#include "models/layers/dropout.hpp"

#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "models/heads/logits.hpp"
#include "models/kernels/dropout_mask.hpp"
#include "tests/unit/models/pattern.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::models {
namespace {

constexpr double kRate = 0.25;
constexpr std::int64_t kDropoutPattern = 3000;

ModelConfig small_vit() {
  ModelConfig config;
  config.name = "vit_xxs4";
  config.image_size = 14;
  config.classes = 5;
  config.dropout = kRate;
  config.width = 24;
  config.depth = 2;
  config.heads = 3;
  return config;
}

at::Tensor given(int site, const at::Tensor& x) {
  return pattern(kDropoutPattern + site, x.sizes().vec(), at::kDouble) >= 2 * kRate - 1;
}

struct Outcome {
  at::Tensor logits;
  std::vector<at::Tensor> gradients;
};

Outcome compute(const ModelConfig& config, const Pass& pass, at::ScalarType type) {
  const auto model = make_model(config);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& weight : pattern_weights(model->parameters(), type))
    leaves.push_back(weight.detach().clone().requires_grad_());
  model->bind(leaves);
  const at::Tensor images = 2 * pattern(kImagesPattern, {kImages, 3, 14, 14}, type);
  const at::Tensor logits = model->forward(images, pass).classes;
  (logits * pattern(kProbePattern, {kImages, 5}, type)).sum().backward();
  Outcome outcome{logits.detach(), {}};
  for (const at::Tensor& leaf : leaves) outcome.gradients.push_back(leaf.grad());
  return outcome;
}

class DropoutOfVit : public testing::TestWithParam<at::ScalarType> {};
INSTANTIATE_TEST_SUITE_P(Types, DropoutOfVit, testing::Values(at::kFloat, at::kDouble),
                         [](const auto& type) { return type.param == at::kFloat ? "fp32" : "fp64"; });

TEST_P(DropoutOfVit, LogitsAndGradientsAreTimms) {
  const SafetensorsReader file(VITRAIL_FIXTURES "/models/vit_dropout.safetensors");
  const auto stored = [&](const std::string& name) {
    return at::tensor(file.read_as_double(name), at::kDouble).view(file.info(name).shape).to(GetParam());
  };
  Pass pass{.training = true};
  std::set<int> sites;
  pass.kept_elements = [&](int site, const at::Tensor& x) {
    sites.insert(site);
    return given(site, x);
  };
  const Outcome ours = compute(small_vit(), pass, GetParam());
  EXPECT_THAT(sites, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6));
  const bool exact = GetParam() == at::kDouble;
  EXPECT_LE((ours.logits - stored("train.logits")).abs().max().item<double>(), exact ? 1e-10 : 1e-5);
  const auto specs = make_model(small_vit())->parameters();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const at::Tensor reference = stored("train.gradient." + specs[i].name);
    const double error = (ours.gradients[i] - reference).norm().item<double>();
    EXPECT_LE(error, (exact ? 1e-10 : 1e-4) * reference.norm().item<double>()) << specs[i].name;
  }
  ModelConfig without = small_vit();
  without.dropout = 0;
  EXPECT_FALSE(at::allclose(compute(without, pass, GetParam()).logits, ours.logits));
}

TEST(DropoutTest, EvaluationDropsNothing) {
  ModelConfig without = small_vit();
  without.dropout = 0;
  EXPECT_TRUE(at::equal(compute(small_vit(), {.step = 1}, at::kFloat).logits,
                        compute(without, {.step = 1}, at::kFloat).logits));
}

TEST(DropoutTest, SameKeySameBitsOtherKeyOthers) {
  const auto logits = [](std::uint64_t seed, std::uint64_t step, std::uint64_t lane) {
    return compute(small_vit(), {.training = true, .seed = seed, .step = step, .lane = lane}, at::kFloat)
        .logits;
  };
  const at::Tensor first = logits(1, 2, 3);
  EXPECT_TRUE(at::equal(first, logits(1, 2, 3)));
  EXPECT_FALSE(at::equal(first, logits(2, 2, 3)));
  EXPECT_FALSE(at::equal(first, logits(1, 3, 3)));
  EXPECT_FALSE(at::equal(first, logits(1, 2, 4)));
}

TEST(DropoutTest, ComputingAPartAgainDrawsTheSame) {
  const Pass pass{.training = true, .seed = 5, .step = 7, .lane = 1};
  for (const double drop_path : {0.0, 0.3}) {
    for (const std::int64_t parallel : {1, 2}) {
      ModelConfig config = small_vit();
      config.drop_path = drop_path;
      config.parallel = parallel;
      const Outcome kept = compute(config, pass, at::kFloat);
      for (const char* how : {"attention", "block", "every:2"}) {
        config.activation_checkpointing = how;
        const Outcome again = compute(config, pass, at::kFloat);
        EXPECT_TRUE(at::equal(again.logits, kept.logits)) << how;
        for (std::size_t i = 0; i < kept.gradients.size(); ++i)
          EXPECT_TRUE(at::equal(again.gradients[i], kept.gradients[i])) << how << " " << i;
      }
    }
  }
}

at::Tensor mask(std::uint32_t site, const std::vector<std::int64_t>& shape, double rate = kRate) {
  return dropout_mask(Philox(9, Purpose::dropout, 11, std::uint64_t{3} << 24, site).start(), rate,
                      at::empty(shape));
}

TEST(DropoutMask, IsADrawOfEachRowsStreamForEachElement) {
  const at::Tensor drawn = mask(4, {3, 5, 7});
  for (std::int64_t row = 0; row < 3; ++row) {
    Philox stream(9, Purpose::dropout, 11, (std::uint64_t{3} << 24) + static_cast<std::uint64_t>(row), 4);
    const at::Tensor elements = drawn[row].flatten();
    for (std::int64_t i = 0; i < 35; ++i)
      EXPECT_EQ(elements[i].item<bool>(), stream.next_u32() >= std::uint32_t{1} << 30) << row << " " << i;
  }
}

TEST(DropoutMask, DoesNotDependOnThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor alone = mask(0, {64, 1001});
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(mask(0, {64, 1001}), alone));
  at::set_num_threads(threads);
}

TEST(DropoutMask, KeepsItsShare) {
  for (const double rate : {0.1, 0.5, 0.9}) {
    const at::Tensor drawn = mask(2, {100, 4000}, rate);
    const double share = drawn.to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(share, 1 - rate, 5 * std::sqrt(rate * (1 - rate) / 400'000));
  }
  EXPECT_TRUE(mask(2, {0, 7}).sizes() == at::IntArrayRef({0, 7}));
}

TEST(DropoutTest, FamiliesWithoutItRefuseIt) {
  for (const char* name : {"cait_xxs24", "resnet50", "xcit_t12_p16", "levit_128s"}) {
    ModelConfig config;
    config.name = name;
    config.dropout = 0.1;
    try {
      make_model(config);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::refused);
      EXPECT_THAT(error.what(), testing::HasSubstr(fmt::format("model.dropout = 0.1: {} has none", name)));
    }
  }
}

}  // namespace
}  // namespace vitrail::models
