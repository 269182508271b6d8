// Fifty steps against PyTorch's AdamW and SGD and timm's Lamb in fp64, and against torch.autocast with
// GradScaler in fp16, from the same weights on the same images: tests/peers/make_optimizer_fixtures.py.
#include <cmath>
#include <mutex>
#include <regex>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <ATen/ATen.h>

#include "sharding/comm/local_communicator.hpp"
#include "tests/support/assembled.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

constexpr int kSteps = 50;
const fs::path kFolder = fs::path(VITRAIL_FIXTURES) / "trajectory";

struct Cases {
  SafetensorsReader file;
  nlohmann::json settings;

  explicit Cases(const char* name)
      : file(kFolder / name), settings(nlohmann::json::parse(file.metadata().at("settings"))) {}

  std::vector<double> column(const std::string& name) const { return file.read_as_double(name); }
};

Config base_config(const nlohmann::json& model) {
  Config config;
  config.run.lanes = 8;
  config.run.steps = kSteps;
  config.data.train = "tensor:" + (kFolder / "batches.safetensors").string();
  config.data.order = datasets::Order::sequential;
  config.data.global_batch_size = 16;
  config.model.name = "vit_xxs4";
  config.model.image_size = model.at("image_size");
  config.model.patch = model.at("patch");
  config.model.width = model.at("width");
  config.model.depth = model.at("depth");
  config.model.heads = model.at("heads");
  config.model.classes = model.at("classes");
  config.model.layer_scale = model.at("layer_scale").get<double>();
  config.model.weights = (kFolder / "start.safetensors").string();
  config.schedule.name = ScheduleName::constant;
  return config;
}

Config config_of(const Cases& cases, const std::string& name) {
  Config config = base_config(cases.settings.at("model"));
  sharding::OptimizerConfig& o = config.optimizer;
  const nlohmann::json& s = cases.settings.at("cases").at(name);
  const auto number = [&](const char* key, double absent) { return s.value(key, absent); };
  const std::string rule = s.at("optimizer.name");
  o.name = rule == "adamw"  ? sharding::OptimizerName::adamw
           : rule == "lamb" ? sharding::OptimizerName::lamb
                            : sharding::OptimizerName::sgd;
  o.lr = s.at("optimizer.lr");
  o.weight_decay = s.at("optimizer.weight_decay");
  o.layer_decay = s.at("optimizer.layer_decay");
  o.clip_norm = number("optimizer.clip_norm", 0);
  o.clip_value = number("optimizer.clip_value", 0);
  o.clip_adaptive = number("optimizer.clip_adaptive", 0);
  o.clip_adaptive_head = number("optimizer.clip_adaptive_head", 1) != 0;
  o.momentum = number("optimizer.momentum", 0.9);
  o.nesterov = number("optimizer.nesterov", 1) != 0;
  o.lamb_max_grad_norm = number("optimizer.lamb_max_grad_norm", 1.0);
  o.lamb_trust_clip = number("optimizer.lamb_trust_clip", 0) != 0;
  o.lamb_always_adapt = number("optimizer.lamb_always_adapt", 0) != 0;
  o.lamb_decoupled_decay = number("optimizer.lamb_decoupled_decay", 0) != 0;
  config.precision.loss_scale.initial = number("precision.loss_scale", 65536);
  config.precision.loss_scale.window = s.value("precision.loss_scale_window", 2000);
  return config;
}

struct Outcome {
  std::vector<StepResult> steps;
  std::map<std::string, at::Tensor> weights;
};

Outcome train(const Config& config, sharding::Communicator& communicator) {
  tests::Assembled assembled(config, communicator);
  Assembly& assembly = assembled.run;
  Log silent(false);
  assembly.initialise_weights(silent);
  assembly.start_loader({});
  PhaseLog phases(0, std::nullopt);
  StepContext context = assembly.context(phases);
  TrainState state;
  state.loss_scale.scale = loss_scale_rule(config.precision).initial;
  Outcome outcome;
  for (int i = 0; i < kSteps; ++i) outcome.steps.push_back(train_step(context, state, {}, {}));
  const auto& specs = assembly.specs;
  for (std::size_t p = 0; p < specs.size(); ++p) {
    outcome.weights[specs[p].name] = assembly.student.parameters.tensors()[p].detach().clone();
  }
  return outcome;
}

Outcome train_alone(const Config& config) {
  sharding::LocalCommunicator alone;
  return train(config, alone);
}

std::vector<std::string> names_of(const char* file) {
  std::vector<std::string> names;
  const Cases cases(file);
  for (const auto& [name, unused] : cases.settings.at("cases").items()) names.push_back(name);
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  return std::regex_replace(info.param, std::regex("[^a-z0-9]"), "_");
}

class Fp64 : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Optimizers, Fp64, testing::ValuesIn(names_of("grid.safetensors")), test_name);

TEST_P(Fp64, WeightsAreTheReferencesOnAnyNumberOfRanks) {
  const Cases cases("grid.safetensors");
  Config config = config_of(cases, GetParam());
  config.precision.compute = Precision::fp64;
  const Outcome one = train_alone(config);
  const auto losses = cases.column(GetParam() + ".loss");
  for (std::size_t i = 0; i < kSteps; ++i) EXPECT_NEAR(one.steps[i].loss, losses[i], 1e-10 * losses[i]) << i;
  double largest = 0, moved = 0;
  const SafetensorsReader start(kFolder / "start.safetensors");
  for (const auto& [name, tensor] : one.weights) {
    const auto reference = cases.column(GetParam() + "." + name);
    const auto before = start.read_as_double(name);
    const double* ours = tensor.const_data_ptr<double>();
    ASSERT_EQ(reference.size(), static_cast<std::size_t>(tensor.numel()));
    for (std::size_t i = 0; i < reference.size(); ++i) {
      largest = std::max(largest, std::abs(ours[i] - reference[i]));
      moved = std::max(moved, std::abs(before[i] - reference[i]));
    }
  }
  EXPECT_LT(largest, 1e-10);
  EXPECT_GT(moved, 1e-2) << "else the comparison would notice nothing";
  RecordProperty("largest_difference", fmt::format("{:.1e}", largest));

  const bool every_world = GetParam().find("norm-") != std::string::npos;
  for (const int world : every_world ? std::vector<int>{2, 3, 4, 8} : std::vector<int>{3}) {
    tests::run_world(world, [&](sharding::Communicator& communicator) {
      const Outcome many = train(config, communicator);
      for (const auto& [name, tensor] : one.weights) {
        EXPECT_TRUE(at::equal(many.weights.at(name), tensor)) << name << " on " << world << " ranks";
      }
    });
  }
}

class Fp16 : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Autocast, Fp16, testing::ValuesIn(names_of("fp16.safetensors")), test_name);

TEST_P(Fp16, LossesAndSkippedStepsAreTheReferences) {
  const Cases cases("fp16.safetensors");
  Config config = config_of(cases, GetParam());
  config.precision.compute = Precision::fp16;
  const Outcome run = train_alone(config);
  const auto losses = cases.column(GetParam() + ".loss"), scales = cases.column(GetParam() + ".scale");
  for (std::size_t i = 0; i < kSteps; ++i) {
    EXPECT_NEAR(run.steps[i].loss, losses[i], 2e-3) << i;
    EXPECT_EQ(run.steps[i].loss_scale, scales[i]) << i;
    if (i + 1 == kSteps) break;
    EXPECT_EQ(run.steps[i].skipped, scales[i + 1] < scales[i]) << i;
  }
}

}  // namespace
}  // namespace vitrail::trainer
