// The model under LibTorch's own AdamW follows PyTorch and timm step by step: whatever else differs from the
// recorded trajectory in a training run is not the model's.
#include <map>

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim.h>

#include "models/heads/logits.hpp"
#include "models/model.hpp"
#include "models/weights/weights.hpp"

namespace vitrail::models {
namespace {

constexpr std::int64_t kSteps = 20, kBatch = 16;

std::string fixture(const std::string& name) {
  return VITRAIL_FIXTURES "/trajectory/" + name + ".safetensors";
}

at::Tensor read(const SafetensorsReader& file, const std::string& name, at::ScalarType type) {
  return at::tensor(file.read_as_double(name), at::kDouble).view(file.info(name).shape).to(type);
}

struct Trained {
  std::map<std::string, at::Tensor> weights;
  std::vector<double> losses;
};

Trained train(at::ScalarType type) {
  ModelConfig config;
  config.name = "vit_xxs4";
  config.image_size = 16;
  config.classes = 10;
  config.width = 32;
  config.depth = 2;
  config.heads = 2;
  const std::unique_ptr<Model> model = make_model(config);

  const SafetensorsReader initial(fixture("initial"));
  fit_weights(stored_tensors(initial), model->parameters(), "initial weights");
  std::vector<at::Tensor> leaves, decayed, plain;
  for (const ParameterSpec& spec : model->parameters()) {
    leaves.push_back(read(initial, spec.name, type).requires_grad_());
    const bool token = spec.name == "cls_token" || spec.name == "pos_embed";
    (spec.shape.size() == 1 || token ? plain : decayed).push_back(leaves.back());
  }
  model->bind(leaves);
  const auto options = torch::optim::AdamWOptions(3e-3).eps(1e-8).weight_decay(0.0);
  torch::optim::AdamW optimizer(plain, options);
  optimizer.add_param_group(torch::optim::OptimizerParamGroup(
      decayed,
      std::make_unique<torch::optim::AdamWOptions>(torch::optim::AdamWOptions(options).weight_decay(0.05))));

  const SafetensorsReader data(fixture("data"));
  const at::Tensor images = read(data, "images", type);
  at::Tensor labels = at::empty({kSteps * kBatch}, at::kLong);
  data.read("labels", std::as_writable_bytes(std::span(labels.data_ptr<std::int64_t>(), kSteps * kBatch)));

  Trained run;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor logits =
        model->forward(images.narrow(0, step * kBatch, kBatch), {.training = true}).classes;
    const at::Tensor loss = at::cross_entropy_loss(logits, labels.narrow(0, step * kBatch, kBatch), {},
                                                   at::Reduction::Mean, -100, 0.1);
    optimizer.zero_grad();
    loss.backward();
    torch::nn::utils::clip_grad_norm_(leaves, 1.0);
    optimizer.step();
    run.losses.push_back(loss.item<double>());
  }
  for (std::size_t i = 0; i < leaves.size(); ++i)
    run.weights[model->parameters()[i].name] = leaves[i].detach();
  return run;
}

TEST(TrajectoryTest, DoublePrecisionWeightsAreTimmsAfterTwentySteps) {
  const Trained run = train(at::kDouble);
  const SafetensorsReader reference(fixture("adamw"));
  const std::vector<double> losses = reference.read_as_double("loss.fp64");
  for (std::size_t step = 0; step < run.losses.size(); ++step)
    EXPECT_NEAR(run.losses[step], losses[step], 1e-12);
  for (const auto& [name, weight] : run.weights) {
    const at::Tensor difference = weight - read(reference, "weights." + name, at::kDouble);
    EXPECT_LE(difference.abs().max().item<double>(), 1e-10) << name;
  }
}

TEST(TrajectoryTest, SinglePrecisionLossesAreTimms) {
  const Trained run = train(at::kFloat);
  const std::vector<double> losses = SafetensorsReader(fixture("adamw")).read_as_double("loss.fp32");
  ASSERT_EQ(losses.size(), run.losses.size());
  for (std::size_t step = 0; step < losses.size(); ++step) {
    EXPECT_NEAR(run.losses[step], losses[step], 1e-5 * losses[step]) << step;
  }
}

}  // namespace
}  // namespace vitrail::models
