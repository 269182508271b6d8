#include "trainer/tasks/loss.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <ATen/ATen.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::trainer {
namespace {

at::Tensor read(const SafetensorsReader& file, const std::string& name) {
  return at::tensor(file.read_as_double(name), at::kDouble).view(file.info(name).shape);
}

std::vector<std::int64_t> read_labels(const SafetensorsReader& file) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(file.info("labels").elements()));
  file.read("labels", std::as_writable_bytes(std::span(labels)));
  return labels;
}

datasets::LaneBatch batch_of(const std::vector<std::int64_t>& labels,
                             const std::vector<std::int64_t>& partners, const std::vector<double>& weights) {
  datasets::LaneBatch batch;
  batch.images_count = static_cast<std::int64_t>(labels.size());
  batch.labels = labels;
  batch.partner_labels = partners;
  batch.weights = weights;
  return batch;
}

LossConfig config_of(const std::string& name, double smoothing) {
  return {name.starts_with("bce") ? LossName::bce : LossName::ce, smoothing,
          name.ends_with("threshold") ? 0.2 : 0.0};
}

TEST(Loss, ValuesAndGradientsAreTimmsAndPyTorchs) {
  const SafetensorsReader file(VITRAIL_FIXTURES "/trainer/loss.safetensors");
  const auto cases = nlohmann::json::parse(file.metadata().at("smoothing"));
  EXPECT_EQ(cases.size(), 7U);
  const std::vector<std::int64_t> labels = read_labels(file);
  const std::vector<std::int64_t> reversed(labels.rbegin(), labels.rend());
  for (const auto& [name, smoothing] : cases.items()) {
    const bool mixed = name.find("mixed") != std::string::npos;
    const auto batch = batch_of(labels, mixed ? reversed : labels, file.read_as_double(name + ".weights"));
    const LossConfig config = config_of(name, smoothing);
    const at::Tensor logits = read(file, "logits").requires_grad_();
    const at::Tensor loss = training_loss(config, logits, soft_targets(batch, logits, config.smoothing));
    loss.backward();
    EXPECT_NEAR(loss.item<double>(), read(file, name + ".loss").item<double>(), 1e-12) << name;
    const at::Tensor difference = logits.grad() - read(file, name + ".gradient");
    EXPECT_LE(difference.abs().max().item<double>(), 1e-12) << name;
    EXPECT_GT(logits.grad().abs().max().item<double>(), 1e-3) << name;
  }
}

TEST(Loss, TargetsAreOfTheLogitsTypeAndAddUpToOne) {
  const auto batch = batch_of({0, 3}, {3, 1}, {0.25, 0.5});
  for (const auto type : {at::kFloat, at::kDouble}) {
    const at::Tensor logits = at::zeros({2, 5}, type).requires_grad_();
    const at::Tensor targets = soft_targets(batch, logits, 0.2);
    EXPECT_EQ(targets.scalar_type(), type);
    EXPECT_FALSE(targets.requires_grad());
    EXPECT_LE((targets.sum(1) - 1).abs().max().item<double>(), 1e-6);
    EXPECT_NEAR(targets[0][0].item<double>(), 0.25 * 0.8 + 0.04, 1e-6);
    EXPECT_NEAR(targets[0][3].item<double>(), 0.75 * 0.8 + 0.04, 1e-6);
  }
}

TEST(Loss, LabelsBeyondTheModelsClassesAreBadData) {
  const at::Tensor logits = at::zeros({2, 5});
  const auto told = [&](const datasets::LaneBatch& batch) -> std::string {
    try {
      soft_targets(batch, logits, 0.0);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_data);
      EXPECT_EQ(e.hint(), "set model.classes to the data set's");
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(told(batch_of({0, 4}, {0, 4}, {1, 1})), "");
  EXPECT_EQ(told(batch_of({0, 5}, {0, 5}, {1, 1})), "label 5 in the data, but the model has 5 classes");
  EXPECT_EQ(told(batch_of({-1, 0}, {-1, 0}, {1, 1})), "label -1 in the data, but the model has 5 classes");
  EXPECT_EQ(told(batch_of({0, 1}, {1, 7}, {0.5, 0.5})), "label 7 in the data, but the model has 5 classes");
}

}  // namespace
}  // namespace vitrail::trainer
