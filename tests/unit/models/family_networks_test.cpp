// Each family's small networks against timm's, or against what is re-derived where timm has none: weights,
// images and probes by one formula (tests/peers/make_family_fixtures.py).
#include <algorithm>

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/weights/weights.hpp"
#include "tests/unit/models/pattern.hpp"
#include "tests/unit/models/small_networks.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

constexpr int kFamilySteps = 3;
constexpr double kStepRate = 1e-3, kShare = 0.1;  // of SGD; of a batch in the running statistics

double length(const Tensor& x) { return x.detach().to(at::kDouble).norm().item<double>(); }
double largest(const Tensor& x) { return x.detach().to(at::kDouble).abs().max().item<double>(); }

class FamilyNetworks : public ::testing::TestWithParam<std::tuple<SmallNetwork, at::ScalarType>> {
 protected:
  void SetUp() override {
    model_ = std::visit([](const auto& config) { return make(config); }, network().config);
    leaves_ = pattern_weights(model_->parameters(), type());
    for (std::size_t p = 0; p < leaves_.size(); ++p)
      leaves_[p].set_requires_grad(!model_->parameters()[p].is_statistic());
    model_->bind(leaves_);
  }

  const SmallNetwork& network() const { return std::get<0>(GetParam()); }
  at::ScalarType type() const { return std::get<1>(GetParam()); }
  bool exact() const { return type() == at::kDouble; }
  bool is_stored(const std::string& name) const { return file_.tensors().contains(name); }

  Tensor stored(const std::string& name) const {
    return at::tensor(file_.read_as_double(name), at::kDouble).view(file_.info(name).shape);
  }

  Tensor images(int step) const {
    const std::int64_t side =
        std::visit([](const auto& config) { return config.image_size; }, network().config);
    return 2 * pattern(kImagesPattern + 10 * step, {kImages, 3, side, side}, type());
  }

  Pass fixture_pass(bool training) const {
    Pass pass;
    pass.training = training;
    std::vector<std::uint8_t> kept(static_cast<std::size_t>(file_.info("kept").elements()));
    file_.read("kept", std::as_writable_bytes(std::span(kept)));
    pass.kept_images = [kept, branches = network().branches](int layer, int branch, std::int64_t images) {
      std::vector<std::int64_t> chosen;
      for (std::int64_t i = 0; i < images; ++i) {
        if (kept.at(static_cast<std::size_t>((branches * layer + branch) * images + i)) != 0)
          chosen.push_back(i);
      }
      return chosen;
    };
    return pass;
  }

  // Of the logits, weighted by the probes; of both heads apart where `apart` says so.
  Tensor loss(const Logits& logits, bool apart) const {
    const Tensor first =
        (apart ? logits.classes : logits.mean()) * pattern(kProbePattern, {kImages, kFamilyClasses}, type());
    if (!apart) return first.sum();
    return first.sum() +
           (logits.distillation * pattern(kSecondProbePattern, {kImages, kFamilyClasses}, type())).sum();
  }

  void expect_near(const Tensor& own, const Tensor& reference, const std::string& what) const {
    const double scale = std::max(1.0, largest(reference));
    EXPECT_LE(largest(own.to(at::kDouble) - reference), (exact() ? 1e-10 : 1e-5) * scale) << what;
    EXPECT_GE(largest(reference), 0.05) << what << " proves nothing";
  }

  // Gradients that are zero by what the network is are rounding on both sides: small beside the largest one.
  void expect_gradients(const std::string& mode) const {
    const ParameterSpecs& specs = model_->parameters();
    double most = 0;
    for (const ParameterSpec& spec : specs) {
      if (!spec.is_statistic()) most = std::max(most, length(stored(mode + ".gradient." + spec.name)));
    }
    const double floor = (exact() ? 1e-15 : 1e-7) * most;  // small ones are left of rounded sums
    std::size_t zero = 0, all = 0;
    for (std::size_t p = 0; p < specs.size(); ++p) {
      if (specs[p].is_statistic()) continue;
      ++all;
      ASSERT_TRUE(leaves_[p].grad().defined()) << specs[p].name;
      const Tensor reference = stored(mode + ".gradient." + specs[p].name);
      if (length(reference) <= 1e-11 * most) {
        ++zero;
        EXPECT_LE(length(leaves_[p].grad()), (exact() ? 1e-11 : 1e-5) * most) << specs[p].name;
        continue;
      }
      EXPECT_LE(length(leaves_[p].grad().to(at::kDouble) - reference),
                std::max((exact() ? 1e-10 : 1e-4) * length(reference), floor))
          << specs[p].name;
    }
    EXPECT_LE(zero, all / (mode == "eval" ? 10 : 3)) << "of " << all;
  }

  void expect_reference(bool training) {
    const std::string mode = training ? "train" : "eval";
    const Tensor reference = stored(mode + ".logits");  // [heads,B,K]
    const bool apart = reference.size(0) == 2;
    const Logits logits = model_->forward(images(0), fixture_pass(training));
    expect_near(apart ? logits.classes : logits.mean(), reference[0], "logits");
    if (apart) expect_near(logits.distillation, reference[1], "logits of the second head");
    loss(logits, apart).backward();
    expect_gradients(mode);
  }

  SafetensorsReader file_{VITRAIL_FIXTURES "/models/" + network().fixture + ".safetensors"};
  std::unique_ptr<Model> model_;
  std::vector<Tensor> leaves_;
};

TEST_P(FamilyNetworks, LogitsAndGradientsAreTheReferencesInEvaluation) { expect_reference(false); }

TEST_P(FamilyNetworks, LogitsAndGradientsAreTheReferencesInTraining) { expect_reference(true); }

TEST_P(FamilyNetworks, FeaturesAreTheReferences) {
  const at::NoGradGuard no_grad;
  Pass pass;
  pass.features = {.blocks = 2, .mean = true};
  const Features features = model_->features(images(0), pass);
  expect_near(features.pooled.flatten(1), stored("features.head"), "pooled");
  expect_near(at::cat(features.blocks, 1), stored("features.last"), "blocks");
  EXPECT_EQ(features.mean.size(0), kImages);
}

// Running statistics move by a tenth towards each batch's, while SGD moves the weights.
TEST_P(FamilyNetworks, StatisticsAreTheReferencesAfterThreeSteps) {
  const ParameterSpecs& specs = model_->parameters();
  Pass pass = fixture_pass(true);
  pass.batch_statistic = [&](ParameterId p, const Tensor& value) { leaves_[p].lerp_(value, kShare); };
  for (int step = 0; step < kFamilySteps; ++step) {
    for (Tensor& leaf : leaves_) leaf.mutable_grad() = Tensor();
    const Logits logits = model_->forward(images(step), pass);
    loss(logits, logits.distillation.defined()).backward();
    const at::NoGradGuard no_grad;
    for (Tensor& leaf : leaves_) {
      if (leaf.requires_grad()) leaf.sub_(leaf.grad(), kStepRate);
    }
  }
  const double tolerance = exact() ? 1e-10 : 1e-3;
  for (std::size_t p = 0; p < specs.size(); ++p) {
    const std::string name = "steps.statistic." + specs[p].name;
    ASSERT_EQ(is_stored(name), specs[p].is_statistic()) << name;
    if (!specs[p].is_statistic()) continue;
    const Tensor reference = stored(name);
    EXPECT_LE(length(leaves_[p].to(at::kDouble) - reference), tolerance * length(reference)) << name;
  }
}

// What backward computes a second time gives the same bits, and reports no statistic again.
template <class Config>
void expect_recomputed_alike(const Config& config) {
  std::vector<Tensor> gradients[2];
  for (const std::int64_t segment : {0, 1}) {
    Config own = config;
    own.checkpointing.blocks = segment;
    const std::unique_ptr<Model> model = make(own);
    const ParameterSpecs& specs = model->parameters();
    std::vector<Tensor> leaves = pattern_weights(specs, at::kFloat);
    for (std::size_t p = 0; p < specs.size(); ++p) leaves[p].set_requires_grad(!specs[p].is_statistic());
    model->bind(leaves);
    std::vector<int> reported(specs.size());
    Pass pass{.training = true, .seed = 3};
    pass.batch_statistic = [&](ParameterId p, const Tensor&) { ++reported[p]; };
    const Tensor images = pattern(kImagesPattern, {kImages, 3, own.image_size, own.image_size}, at::kFloat);
    model->forward(images, pass).mean().square().sum().backward();
    for (std::size_t p = 0; p < specs.size(); ++p) {
      EXPECT_EQ(reported[p], specs[p].is_statistic() ? 1 : 0) << specs[p].name;
      if (!specs[p].is_statistic()) gradients[segment].push_back(leaves[p].grad());
    }
  }
  for (std::size_t i = 0; i < gradients[0].size(); ++i)
    EXPECT_TRUE(at::equal(gradients[0][i], gradients[1][i])) << config.patch << " " << i;
}

TEST(FamilyRecomputation, OfBatchNormsIsAlikeAndSilent) {
  expect_recomputed_alike(small_xcit(16, 48, true));
  expect_recomputed_alike(small_patchconvnet(false, true));
}

TEST(FamilyRecomputation, OfOtherBlocksIsAlike) {
  expect_recomputed_alike(small_patchconvnet(true, false));
  expect_recomputed_alike(small_transformer<ResMlpConfig>(14, 4, 2, 1));
  expect_recomputed_alike(small_convit());
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyNetworks,
                         ::testing::Combine(::testing::ValuesIn(small_networks()),
                                            ::testing::Values(at::kFloat, at::kDouble)),
                         [](const auto& instance) {
                           return std::get<0>(instance.param).fixture +
                                  c10::toString(std::get<1>(instance.param));
                         });

}  // namespace
}  // namespace vitrail::models
