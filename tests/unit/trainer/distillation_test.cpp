#include "trainer/distillation.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <ATen/ATen.h>

#include "trainer/base/safetensors.hpp"

namespace vitrail::trainer {
namespace {

at::Tensor read_case(const SafetensorsReader& file, const std::string& name) {
  return at::tensor(file.read_as_double(name), at::kDouble).view(file.info(name).shape);
}

// A student of one network that answers with given logits, whatever it is shown: heads are what is under
// test.
TEST(Distillation, ValuesAndGradientsAreDeiTs) {
  const SafetensorsReader file(VITRAIL_FIXTURES "/trainer/distillation.safetensors");
  const auto cases = nlohmann::json::parse(file.metadata().at("cases"));
  EXPECT_EQ(cases.size(), 5U);
  for (const auto& [name, told] : cases.items()) {
    Config config;
    config.loss.smoothing = 0.1;
    config.distillation.type = told.at("type") == "hard" ? DistillationType::hard : DistillationType::soft;
    config.distillation.alpha = told.at("alpha");
    config.distillation.tau = told.at("tau");
    datasets::LaneBatch batch;
    batch.labels.resize(6);
    file.read("labels", std::as_writable_bytes(std::span(batch.labels)));
    batch.partner_labels = batch.labels;
    batch.weights.assign(6, 1.0);
    models::Logits logits{read_case(file, "classes").requires_grad_(), {}};
    if (told.at("token")) logits.distillation = read_case(file, "token").requires_grad_();
    const at::Tensor loss = lane_loss(config, batch, logits, read_case(file, "teacher"));
    loss.backward();
    EXPECT_NEAR(loss.item<double>(), read_case(file, name + ".loss").item<double>(), 1e-12) << name;
    const auto worst = [&](const at::Tensor& gradient, const char* head) {
      return (gradient - read_case(file, name + "." + head)).abs().max().item<double>();
    };
    EXPECT_LE(worst(logits.classes.grad(), "classes"), 1e-12) << name;
    if (told.at("token")) {
      EXPECT_LE(worst(logits.distillation.grad(), "token"), 1e-12) << name;
    }
  }
}

}  // namespace
}  // namespace vitrail::trainer
