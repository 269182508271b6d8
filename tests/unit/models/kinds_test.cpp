// Each kind of network against timm's, with weights, images and probes that both sides make by one formula.
#include <functional>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "models/families/families.hpp"
#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/weights/weights.hpp"
#include "tests/unit/models/pattern.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

// The networks of tests/peers/make_model_fixtures.py.
ModelConfig small(const std::string& name, std::int64_t width, std::int64_t depth, std::int64_t heads) {
  ModelConfig config;
  config.name = name;
  config.image_size = 14;
  config.classes = 5;
  config.drop_path = 0.4;
  config.patch = 4;
  config.width = width;
  config.depth = depth;
  config.heads = heads;
  return config;
}

struct Kind {
  std::string fixture;
  ModelConfig config;
  int branches = 2;  // of a layer, rows of `kept`
};

std::vector<Kind> kinds() {
  return {{"deit", small("deit_s16", 16, 3, 2)},
          {"deit_distilled", small("deit_s16_distilled", 16, 2, 2)},
          {"vit_parallel", small("vit_s16_18x2", 16, 2, 2), 4},
          {"cait_xxs", small("cait_xxs24", 16, 2, 4)},
          {"cait_m", small("cait_m48", 32, 1, 16)}};
}

// Parameters whose true gradient is zero: they move all logits of a row alike, which the softmax forgets.
// Named with them: the parameter whose gradient says what is small.
std::string yardstick_of(const std::string& name) {
  if (name.ends_with("attn.k.bias")) return name.substr(0, name.size() - 6) + "q.bias";
  if (name.ends_with("attn.proj_l.bias")) return name.substr(0, name.size() - 4) + "weight";
  return "";
}

// What its head reads, the mean over patches, and the last two blocks, of images of which timm's are stored.
void expect_timms_features(const Model& model, const SafetensorsReader& file, const std::string& kind,
                           const Tensor& images) {
  Pass pass;
  pass.features = {.blocks = 2, .mean = true};
  const Features features = model.features(images, pass);
  const double tolerance = images.scalar_type() == at::kFloat ? 1e-5 : 1e-10;
  for (const auto& [name, own] : {std::pair<std::string, Tensor>("head", features.pooled),
                                  {"mean", features.mean},
                                  {"last", at::cat(features.blocks, 1)}}) {
    const std::string stored = kind + "." + name;
    const Tensor reference =
        at::tensor(file.read_as_double(stored), at::kDouble).view(file.info(stored).shape);
    EXPECT_LE((own.to(at::kDouble) - reference).abs().max().item<double>(),
              tolerance * reference.abs().max().item<double>())
        << stored;
    EXPECT_GE(reference.abs().max().item<double>(), 0.1) << stored;
  }
}

class KindsTest : public ::testing::TestWithParam<std::tuple<Kind, at::ScalarType>> {
 protected:
  const Kind& kind() const { return std::get<0>(GetParam()); }
  at::ScalarType type() const { return std::get<1>(GetParam()); }
  bool exact() const { return type() == at::kDouble; }

  Tensor stored(const std::string& name) const {
    return at::tensor(file_.read_as_double(name), at::kDouble).view(file_.info(name).shape);
  }

  Pass fixture_pass(bool training) const {
    Pass pass;
    pass.training = training;
    const std::int64_t rows = file_.info("kept").shape[0];
    std::vector<std::uint8_t> kept(static_cast<std::size_t>(rows * kImages));
    file_.read("kept", std::as_writable_bytes(std::span(kept)));
    pass.kept_images = [kept, branches = kind().branches](int layer, int branch, std::int64_t images) {
      std::vector<std::int64_t> chosen;
      for (std::int64_t i = 0; i < images; ++i) {
        if (kept.at(static_cast<std::size_t>((branches * layer + branch) * images + i)) != 0)
          chosen.push_back(i);
      }
      return chosen;
    };
    return pass;
  }

  Tensor probe(std::int64_t number) const { return pattern(number, {kImages, 5}, type()); }

  void expect_timm(bool training) {
    const std::unique_ptr<Model> model = make_model(kind().config);
    leaves_ = pattern_weights(model->parameters(), type());
    for (Tensor& leaf : leaves_) leaf.requires_grad_();
    model->bind(leaves_);
    const Tensor images = 2 * pattern(kImagesPattern, {kImages, 3, 14, 14}, type());
    const Logits logits = model->forward(images, fixture_pass(training));

    const std::string mode = training ? "train" : "eval";
    const Tensor reference = stored(mode + ".logits");  // [heads,B,K]; the mean in evaluation
    const bool both = reference.size(0) == 2;
    ASSERT_EQ(logits.distillation.defined(), kind().config.name.ends_with("distilled"));
    expect_near(both ? logits.classes : logits.mean(), reference[0]);
    if (both) expect_near(logits.distillation, reference[1]);

    Tensor loss = ((both ? logits.classes : logits.mean()) * probe(kProbePattern)).sum();
    if (both) loss = loss + (logits.distillation * probe(kSecondProbePattern)).sum();
    loss.backward();
    for (std::size_t i = 0; i < leaves_.size(); ++i) expect_gradient(model->parameters()[i].name, i, mode);
  }

  void expect_near(const Tensor& logits, const Tensor& reference) const {
    EXPECT_LE((logits.to(at::kDouble) - reference).abs().max().item<double>(), exact() ? 1e-10 : 1e-5);
    EXPECT_GE(reference.abs().max().item<double>(), 0.1);
  }

  void expect_gradient(const std::string& name, std::size_t index, const std::string& mode) const {
    ASSERT_TRUE(leaves_[index].grad().defined()) << name;
    const Tensor own = leaves_[index].grad().to(at::kDouble);
    const auto reference = [&](const std::string& of) {
      return stored(fmt::format("{}.gradient.{}", mode, of));
    };
    const auto size = [](const Tensor& x) { return x.norm().item<double>(); };
    if (const std::string yardstick = yardstick_of(name); !yardstick.empty()) {
      EXPECT_LE(size(own), (exact() ? 1e-12 : 1e-6) * size(reference(yardstick))) << name;
      return;
    }
    if (name.ends_with("qkv.bias")) {
      const auto parts = own.chunk(3);
      EXPECT_LE(size(parts[1]), (exact() ? 1e-12 : 1e-6) * size(parts[0])) << name;
    }
    EXPECT_LE(size(own - reference(name)), (exact() ? 1e-10 : 1e-4) * size(reference(name))) << name;
    if (mode == "eval") {  // in training some branches keep no image
      EXPECT_GE(size(reference(name)), 1e-4) << name << " proves nothing";
    }
  }

  SafetensorsReader file_{VITRAIL_FIXTURES "/models/" + kind().fixture + ".safetensors"};
  std::vector<Tensor> leaves_;
};

TEST_P(KindsTest, AScaledDropPathIsThatOfTheScaledRate) {
  const auto logits_of = [&](double rate, double scale) {
    ModelConfig config = kind().config;
    config.drop_path = rate;
    const std::unique_ptr<Model> model = make_model(config);
    model->bind(pattern_weights(model->parameters(), type()));
    const Tensor images = 2 * pattern(kImagesPattern, {kImages, 3, 14, 14}, type());
    return model->forward(images, {.training = true, .seed = 3, .drop_path_scale = scale}).mean();
  };
  EXPECT_TRUE(at::equal(logits_of(0.8, 0.5), logits_of(0.4, 1)));
  EXPECT_FALSE(at::equal(logits_of(0.8, 0.5), logits_of(0.8, 1)));
  EXPECT_TRUE(at::equal(logits_of(0.8, 0), logits_of(0, 1)));
}

TEST_P(KindsTest, LogitsAndGradientsAreTimmsInEvaluation) { expect_timm(false); }

TEST_P(KindsTest, LogitsAndGradientsAreTimmsUnderStochasticDepth) { expect_timm(true); }

TEST_P(KindsTest, FeaturesAreTimms) {
  if (kind().fixture == "cait_m") return;  // as cait_xxs, but for its size
  const std::unique_ptr<Model> model = make_model(kind().config);
  model->bind(pattern_weights(model->parameters(), type()));
  const SafetensorsReader features(VITRAIL_FIXTURES "/models/features.safetensors");
  expect_timms_features(*model, features, kind().fixture,
                        2 * pattern(kImagesPattern, {kImages, 3, 14, 14}, type()));
}

TEST_P(KindsTest, BlocksAreAnnouncedInOrder) {
  const std::unique_ptr<Model> model = make_model(kind().config);
  model->bind(pattern_weights(model->parameters(), type()));
  std::vector<int> announced, expected;
  Pass pass;
  pass.before_block = [&](int block) { announced.push_back(block); };
  model->forward(at::zeros({1, 3, 14, 14}, type()), pass);
  const int class_layers = kind().config.name.starts_with("cait") ? 2 : 0;
  for (int i = 0; i < *kind().config.depth + class_layers + 2; ++i) expected.push_back(i);
  EXPECT_EQ(announced, expected);
}

INSTANTIATE_TEST_SUITE_P(Kinds, KindsTest,
                         ::testing::Combine(::testing::ValuesIn(kinds()),
                                            ::testing::Values(at::kFloat, at::kDouble)),
                         [](const auto& instance) {
                           return std::get<0>(instance.param).fixture +
                                  c10::toString(std::get<1>(instance.param));
                         });

class RegNetTest : public ::testing::Test {
 protected:
  static RegNetConfig config() {
    RegNetConfig config;
    config.name = "small";
    config.stem = 16;
    config.group = 8;
    config.stages = {{{8, 1}, {16, 1}, {24, 2}, {40, 1}}};
    config.image_size = 37;
    config.classes = 5;
    config.drop_path = 0.4;
    return config;
  }
  Tensor stored(const std::string& name) const {
    return at::tensor(file_.read_as_double(name), at::kDouble).view(file_.info(name).shape);
  }
  static double difference(const Tensor& ours, const Tensor& theirs) {
    return (ours.detach().to(at::kDouble) - theirs).abs().max().item<double>();
  }
  static Tensor images(at::ScalarType type) {
    return 2 * pattern(kImagesPattern, {kImages, 3, 37, 37}, type);
  }

  SafetensorsReader file_{VITRAIL_FIXTURES "/models/regnet.safetensors"};
};

TEST_F(RegNetTest, LogitsAreTimms) {
  const Tensor reference = stored("eval.logits")[0];
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const std::unique_ptr<Model> model = make(config());
    model->bind(pattern_weights(model->parameters(), type));
    EXPECT_LE(difference(model->forward(images(type), {}).mean(), reference),
              type == at::kFloat ? 1e-5 : 1e-10);
  }
  EXPECT_GE(reference.abs().max().item<double>(), 0.1);
}

TEST_F(RegNetTest, FeaturesAreTimms) {
  const std::unique_ptr<Model> model = make(config());
  model->bind(pattern_weights(model->parameters(), at::kDouble));
  expect_timms_features(*model, SafetensorsReader(VITRAIL_FIXTURES "/models/features.safetensors"), "regnet",
                        images(at::kDouble));
}

// Batch norm by the batch's statistics, which include the images whose branch is then left out.
TEST_F(RegNetTest, TrainingIsTimms) {
  const std::unique_ptr<Model> model = make(config());
  const ParameterSpecs& specs = model->parameters();
  std::vector<Tensor> leaves = pattern_weights(specs, at::kDouble);
  for (std::size_t p = 0; p < specs.size(); ++p) leaves[p].set_requires_grad(!specs[p].is_statistic());
  model->bind(leaves);
  std::map<ParameterId, Tensor> statistics;
  Pass pass;
  pass.training = true;
  pass.batch_statistic = [&](ParameterId p, const Tensor& value) { statistics[p] = value; };
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(5 * kImages));
  file_.read("kept", std::as_writable_bytes(std::span(kept)));
  pass.kept_images = [kept](int layer, int, std::int64_t images) {
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = 0; i < images; ++i) {
      if (kept.at(static_cast<std::size_t>(layer * images + i)) != 0) chosen.push_back(i);
    }
    return chosen;
  };
  const Tensor logits = model->forward(images(at::kDouble), pass).mean();
  EXPECT_LE(difference(logits, stored("train.logits")[0]), 1e-10);
  (logits * pattern(kProbePattern, {kImages, 5}, at::kDouble)).sum().backward();
  std::size_t proved = 0;
  for (std::size_t p = 0; p < specs.size(); ++p) {
    const std::string& name = specs[p].name;
    if (specs[p].is_statistic()) {
      ASSERT_TRUE(statistics.contains(p)) << name;
      EXPECT_LE(difference(statistics[p], stored("train.statistic." + name)), 1e-10) << name;
      EXPECT_TRUE(at::equal(leaves[p], pattern_weights(specs, at::kDouble)[p])) << name;
    } else {
      const Tensor reference = stored("train.gradient." + name);
      EXPECT_LE(difference(leaves[p].grad(), reference), 1e-10 * reference.norm().item<double>()) << name;
      proved += reference.norm().item<double>() >= 1e-4 ? 1 : 0;
    }
  }
  EXPECT_GE(proved, specs.size() / 2);  // half are statistics' and squeezes', some of which stay at 0
}

TEST_F(RegNetTest, OneValueAChannelHasNoVariance) {
  RegNetConfig small = config();
  small.image_size = 32;  // one pixel in the last stage
  const std::unique_ptr<Model> model = make(small);
  model->bind(pattern_weights(model->parameters(), at::kFloat));
  try {
    model->forward(at::zeros({1, 3, 32, 32}), {.training = true});
    FAIL() << "trained";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::refused);
    EXPECT_THAT(error.hint(), ::testing::HasSubstr("run.lanes"));
  }
}

}  // namespace
}  // namespace vitrail::models
