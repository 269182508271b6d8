#include "models/families/vit/vit.hpp"

#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/heads/logits.hpp"
#include "models/layers/drop_path_mask.hpp"
#include "models/weights/weights.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The network of tests/peers/make_model_fixtures.py.
ModelConfig small_network() {
  ModelConfig config;
  config.name = "vit_xxs4";
  config.image_size = 14;
  config.classes = 5;
  config.drop_path = 0.4;
  config.width = 24;
  config.depth = 2;
  config.heads = 3;
  return config;
}

class VitTest : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  at::Tensor stored(const std::string& name) const {
    const std::vector<double> values = file_.read_as_double(name);
    return at::tensor(values, at::kDouble).view(file_.info(name).shape).to(GetParam());
  }

  // Binds fresh leaves with the fixture's weights.
  void bind(Model& model) {
    leaves_.clear();
    for (const ParameterSpec& spec : model.parameters()) {
      leaves_.push_back(stored("weights." + spec.name).requires_grad_());
    }
    model.bind(leaves_);
  }

  Pass fixture_pass(bool training) const {
    Pass pass;
    pass.training = training;
    std::vector<std::uint8_t> kept(24);
    file_.read("kept", std::as_writable_bytes(std::span(kept)));
    pass.kept_images = [kept](int layer, int branch, std::int64_t images) {
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < images; ++i) {
        if (kept.at(static_cast<std::size_t>((2 * layer + branch) * images + i)) != 0) rows.push_back(i);
      }
      return rows;
    };
    return pass;
  }

  void expect_timm(bool training) {
    const std::unique_ptr<Model> model = make_model(small_network());
    bind(*model);
    const std::string mode = training ? "train" : "eval";
    const bool exact = GetParam() == at::kDouble;
    const at::Tensor logits = model->forward(stored("images"), fixture_pass(training)).classes;
    const double logit_error = (logits - stored(mode + ".logits")).abs().max().item<double>();
    EXPECT_LE(logit_error, exact ? 1e-10 : 1e-5);
    (logits * stored("probe")).sum().backward();
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      const std::string& name = model->parameters()[i].name;
      ASSERT_TRUE(leaves_[i].grad().defined()) << name;
      const at::Tensor reference = stored(fmt::format("{}.gradient.{}", mode, name));
      const double error = (leaves_[i].grad() - reference).norm().item<double>();
      EXPECT_LE(error, (exact ? 1e-10 : 1e-4) * reference.norm().item<double>()) << name;
    }
  }

  SafetensorsReader file_{VITRAIL_FIXTURES "/models/vit.safetensors"};
  std::vector<at::Tensor> leaves_;
};

TEST_P(VitTest, LogitsAndGradientsAreTimmsInEvaluation) { expect_timm(false); }

// One branch of the fixture keeps all images, one none.
TEST_P(VitTest, LogitsAndGradientsAreTimmsUnderStochasticDepth) { expect_timm(true); }

TEST_P(VitTest, SameKeySameBitsOtherStepOtherDraws) {
  const std::unique_ptr<Model> model = make_model(small_network());
  bind(*model);
  const auto logits = [&](std::uint64_t step, bool training) {
    return model->forward(stored("images"), {.training = training, .seed = 1, .step = step}).classes;
  };
  EXPECT_TRUE(at::equal(logits(1, true), logits(1, true)));
  EXPECT_FALSE(at::equal(logits(1, true), logits(2, true)));
  EXPECT_TRUE(at::equal(logits(1, false), logits(2, false)));
}

TEST_P(VitTest, TheMasksAreTheDrawnOnes) {
  const std::unique_ptr<Model> model = make_model(small_network());
  bind(*model);
  Pass given{.training = true, .seed = 7, .step = 3, .lane = 2};
  const at::Tensor drawn = model->forward(stored("images"), given).classes;
  given.kept_images = [](int layer, int branch, std::int64_t images) {
    return draw_kept_images({.seed = 7, .step = 3, .lane = 2, .layer = layer, .branch = branch}, 0.4, images);
  };
  EXPECT_TRUE(at::equal(model->forward(stored("images"), given).classes, drawn));
}

// The owner may overwrite parameters between passes; the model must look at them anew.
TEST_P(VitTest, NothingDerivedFromParametersIsKept) {
  const std::unique_ptr<Model> model = make_model(small_network());
  bind(*model);
  const at::Tensor before = model->forward(stored("images"), {}).classes;
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& leaf : leaves_) leaf.mul_(1.5);
  }
  const at::Tensor after = model->forward(stored("images"), {}).classes;
  EXPECT_FALSE(at::allclose(before, after));
  const std::unique_ptr<Model> fresh = make_model(small_network());
  fresh->bind(leaves_);
  EXPECT_TRUE(at::equal(fresh->forward(stored("images"), {}).classes, after));
}

TEST_P(VitTest, BlocksAreAnnouncedInOrder) {
  const std::unique_ptr<Model> model = make_model(small_network());
  bind(*model);
  std::vector<int> announced;
  Pass pass;
  pass.before_block = [&](int block) { announced.push_back(block); };
  model->forward(stored("images"), pass);
  EXPECT_EQ(announced, (std::vector<int>{0, 1, 2, 3}));
}

TEST_P(VitTest, WithoutLayerScaleGammaIsOne) {
  ModelConfig config = small_network();
  const std::unique_ptr<Model> with = make_model(config);
  bind(*with);
  config.layer_scale = 0;
  const std::unique_ptr<Model> without = make_model(config);
  std::vector<at::Tensor> rest;
  {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
      if (with->parameters()[i].name.ends_with("gamma")) {
        leaves_[i].fill_(1);
      } else {
        rest.push_back(leaves_[i]);
      }
    }
  }
  without->bind(rest);
  EXPECT_TRUE(
      at::equal(with->forward(stored("images"), {}).classes, without->forward(stored("images"), {}).classes));
}

TEST_P(VitTest, PixelsBeyondTheLastWholePatchAreNotLookedAt) {
  const std::unique_ptr<Model> model = make_model(small_network());
  bind(*model);
  const at::Tensor images = stored("images");
  at::Tensor changed = images.clone();
  changed.slice(2, 12).fill_(7);
  changed.slice(3, 12).fill_(7);
  EXPECT_TRUE(at::equal(model->forward(images, {}).classes, model->forward(changed, {}).classes));
}

INSTANTIATE_TEST_SUITE_P(Types, VitTest, ::testing::Values(at::kFloat, at::kDouble),
                         [](const auto& instance) { return std::string(c10::toString(instance.param)); });

std::string message_of(const std::function<void()>& action, ExitCode code) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing thrown";
  return {};
}

TEST(VitShapesTest, MismatchesNameBothShapes) {
  const std::unique_ptr<Model> model = make_model(small_network());
  EXPECT_THAT(message_of(
                  [&] {
                    model->forward(at::zeros({2, 3, 14, 14}), {});
                  },
                  ExitCode::crash),
              HasSubstr("before bind"));

  std::vector<at::Tensor> tensors;
  for (const ParameterSpec& spec : model->parameters()) tensors.push_back(at::zeros(spec.shape));
  std::vector<at::Tensor> wrong = tensors;
  wrong[1] = at::zeros({1, 10, 24});
  EXPECT_THAT(message_of([&] { model->bind(wrong); }, ExitCode::crash),
              AllOf(HasSubstr("pos_embed"), HasSubstr("[1, 9, 24]"), HasSubstr("[1, 10, 24]")));
  wrong.pop_back();
  EXPECT_THAT(message_of([&] { model->bind(wrong); }, ExitCode::crash), HasSubstr("parameters"));

  model->bind(tensors);
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{2, 3, 14, 15}, {2, 1, 14, 14}, {3, 14, 14}}) {
    EXPECT_THAT(
        message_of([&] { model->forward(at::zeros(shape), {}); }, ExitCode::refused),
        AllOf(HasSubstr("[B, 3, 14, 14]"), HasSubstr(format_shape(shape)), HasSubstr("model.image_size")));
  }
}

}  // namespace
}  // namespace vitrail::models
