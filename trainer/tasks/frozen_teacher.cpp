#include "trainer/tasks/frozen_teacher.hpp"

#include <filesystem>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/heads/logits.hpp"
#include "models/layers/precision.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/settings.hpp"
#include "trainer/weights/param_groups.hpp"
#include "trainer/weights/weight_normalisation.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {
namespace {

models::ModelConfig model_of_checkpoint(const std::string& path) {
  const CheckpointReader checkpoint(find_checkpoint(path));
  return network_of(checkpoint.manifest().settings, checkpoint.folder().string());
}

models::ModelConfig teachers_model(const Config& config, bool is_checkpoint) {
  const DistillationConfig& distillation = config.distillation;
  models::ModelConfig model;
  if (is_checkpoint) model = model_of_checkpoint(distillation.teacher_weights);
  if (!is_checkpoint) model.name = distillation.teacher_model;
  if (model.name.empty()) {
    throw Error(ExitCode::refused,
                fmt::format("distillation.teacher_weights = {}: a file does not say whose weights it holds",
                            distillation.teacher_weights),
                "set distillation.teacher_model");
  }
  if (!distillation.teacher_model.empty() && model.name != distillation.teacher_model) {
    throw Error(ExitCode::refused,
                fmt::format("distillation.teacher_model = {}, but {} holds a {}", distillation.teacher_model,
                            distillation.teacher_weights, model.name),
                "leave distillation.teacher_model out: a checkpoint knows its network");
  }
  model.classes = config.model.classes;
  model.image_size = distillation.teacher_image_size.value_or(config.model.image_size);
  return model;
}

// Where nothing tells the teacher's, or the images are ready tensors, it is taken for the student's.
Normalisation teachers_normalisation(const Config& config, const std::string& name) {
  if (config.data.train.starts_with("tensor:")) return config.data.normalisation;
  const auto told = told_normalisation(config.distillation.teacher_weights, name);
  return told ? told->values : config.data.normalisation;
}

at::Tensor by_channel(const ChannelValues& values, c10::Device device) {
  return at::tensor(at::ArrayRef<double>(values.data(), values.size()), at::kDouble)
      .view({1, 3, 1, 1})
      .to(device);
}

}  // namespace

Teacher::Teacher(const Config& config, c10::Device device)
    : image_size_(config.distillation.teacher_image_size.value_or(config.model.image_size)) {
  const std::string& weights = config.distillation.teacher_weights;
  const bool is_checkpoint = std::filesystem::is_directory(weights);
  Config teacher = config;
  teacher.finetune = {};  // says how the student begins
  teacher.model = teachers_model(config, is_checkpoint);
  if (!is_checkpoint) teacher.model.weights = weights;
  if (is_checkpoint) classes_ = CheckpointReader(find_checkpoint(weights)).manifest().class_ids;
  teacher.evaluation.weights = WeightsUsed::raw;
  try {
    teacher.data.normalisation = teachers_normalisation(config, teacher.model.name);
    model_ = load_model(teacher, is_checkpoint ? weights : "", device,
                        [&](const std::string& words) { log_lines_.push_back("teacher: " + words); });
  } catch (const Error& e) {
    const std::string setting = "distillation.teacher_weights = " + weights;
    if (e.code() != ExitCode::refused) throw e.in(setting);
    throw Error(e.code(), e.in(setting).what(),  // its own hint speaks of the student's model
                fmt::format("give the weights of a teacher for {} classes, and its network as "
                            "distillation.teacher_model",
                            config.model.classes));
  }
  convert_images(config.data.normalisation, teacher.data.normalisation, device);
  std::size_t bytes = 0;
  for (const auto& spec : model_->parameters()) {
    const DataType type = stored_type(spec, compute_type(config.precision.compute));
    bytes += static_cast<std::size_t>(spec.elements()) * size_of(type);
  }
  const bool hard = config.distillation.type == DistillationType::hard;
  log_lines_.push_back(fmt::format(
      "distillation ({}): {} with the weights of {} looks on at {} px, {:.1f} MiB", hard ? "hard" : "soft",
      teacher.model.name, weights, image_size_, static_cast<double>(bytes) / (1 << 20)));
}

// Mixing is linear, so that mixed images convert as well.
void Teacher::convert_images(const Normalisation& from, const Normalisation& to, c10::Device device) {
  if (from == to) return;
  ChannelValues factor{}, summand{};
  for (std::size_t c = 0; c < factor.size(); ++c) {
    factor.at(c) = from.deviation.at(c) / to.deviation.at(c);
    summand.at(c) = (from.mean.at(c) - to.mean.at(c)) / to.deviation.at(c);
  }
  factor_ = by_channel(factor, device);
  summand_ = by_channel(summand, device);
  log_lines_.push_back(fmt::format("the teacher's images are normalised with {}, the student's with {}",
                                   describe(to), describe(from)));
}

at::Tensor Teacher::logits(const at::Tensor& student_images) const {
  const at::NoGradGuard no_grad;
  at::Tensor images = student_images;
  if (factor_.defined()) {
    const at::Tensor wide = models::widened(images);
    images =
        (wide * factor_.to(wide.scalar_type()) + summand_.to(wide.scalar_type())).to(images.scalar_type());
  }
  const bool fits = images.size(2) == image_size_;
  const at::Tensor seen =
      fits ? images
           : at::_upsample_bicubic2d_aa(models::widened(images), {image_size_, image_size_}, false)
                 .to(images.scalar_type());
  return model_->forward(seen, models::Pass{}).mean();
}

}  // namespace vitrail::trainer
