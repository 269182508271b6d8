#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <ATen/ATen.h>

#include "datasets/pixels/normalise.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/tasks/classification.hpp"
#include "trainer/weights/import_weights.hpp"

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
    const at::Tensor loss = classification_loss(config, batch, logits, read_case(file, "teacher"));
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

// A network of timm's that wants mean and deviation 1/2, beside a student that sees images with ImageNet's:
// it answers as it does behind timm's own transform.
TEST(Distillation, ATeacherSeesImagesAsItWasTrainedToSeeThem) {
  const SafetensorsReader file(VITRAIL_FIXTURES "/models/pretrained.safetensors");
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / fmt::format("vitrail_teacher_{}", ::getpid());
  std::filesystem::create_directories(folder);
  std::vector<std::vector<std::byte>> storage;
  std::map<std::string, TensorBytes> weights;
  for (const auto& [name, info] : file.tensors()) {
    if (!name.starts_with("weights.")) continue;
    storage.emplace_back(info.end - info.begin);
    file.read(name, storage.back());
    weights[name.substr(8)] = {info.type, info.shape, storage.back()};
  }
  write_safetensors(folder / "weights.safetensors", weights);
  Config config;
  config.model.name = "vit_tiny_patch16_224";
  config.model.image_size = 32;
  config.model.classes = 5;
  config.model.width = 24;
  config.model.depth = 2;
  config.model.heads = 3;
  config.model.weights = (folder / "weights.safetensors").string();
  config.distillation.type = DistillationType::soft;
  config.distillation.teacher_weights = import_weights(config,
                                                       {{"model.name", config.model.name},
                                                        {"model.width", "24"},
                                                        {"model.depth", "2"},
                                                        {"model.heads", "3"},
                                                        {"data.mean", "0.5,0.5,0.5"},
                                                        {"data.std", "0.5,0.5,0.5"}},
                                                       folder / "imported", [](const std::string&) {})
                                            .string();

  const std::vector<std::int64_t> shape = file.info("pixels").shape;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(file.info("pixels").elements()));
  file.read("pixels", std::as_writable_bytes(std::span(pixels)));
  const datasets::Normaliser normaliser(config.data.normalisation);
  at::Tensor images = at::empty({shape[0], 3, shape[1], shape[2]}, at::kFloat);
  const std::size_t bytes = pixels.size() / static_cast<std::size_t>(shape[0]);
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    const auto begin = pixels.begin() + static_cast<std::ptrdiff_t>(bytes) * i;
    const datasets::Image image{static_cast<int>(shape[2]),
                                static_cast<int>(shape[1]),
                                {begin, begin + static_cast<std::ptrdiff_t>(bytes)}};
    normaliser.apply(image, {images[i].mutable_data_ptr<float>(), bytes});
  }
  const Teacher teacher(config, c10::kCPU);
  EXPECT_LT((teacher.logits(images) - read_case(file, "logits")).abs().max().item<double>(), 1e-4);
  EXPECT_THAT(teacher.log_lines(),
              testing::Contains(testing::HasSubstr("the teacher's images are normalised")));
  config.data.normalisation = kHalves;  // nothing to convert
  EXPECT_GT(
      (Teacher(config, c10::kCPU).logits(images) - read_case(file, "logits")).abs().max().item<double>(),
      0.01);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace vitrail::trainer
