#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

SettingCondition with_teacher() {
  return {"distillation.type", "distillation.type = hard or soft",
          [](const Config& config) { return config.distillation.type != DistillationType::none; }};
}

SettingCondition with_soft_teacher() {
  return {"distillation.type", "distillation.type = soft",
          [](const Config& config) { return config.distillation.type == DistillationType::soft; }};
}

}  // namespace

void add_distillation_settings(std::vector<Setting>& table) {
  const Section distillation(
      table, "distillation", [](auto& config) -> auto& { return config.distillation; });
  distillation.choice(
      "type", &DistillationConfig::type,
      {{DistillationType::none, "none"}, {DistillationType::hard, "hard"}, {DistillationType::soft, "soft"}},
      Effect::identity,
      {.help = "a teacher sees the same images, and the distillation head, or the only one, learns its "
               "likeliest class (hard) or its probabilities (soft)",
       .when = {with_labels(), with_learning_body()}});
  distillation.add("teacher_model", &DistillationConfig::teacher_model, Effect::identity,
                   {.help = "the teacher's network",
                    .placeholder = "NAME",
                    .absent = "that of the checkpoint in teacher_weights",
                    .when = {with_labels(), with_learning_body(), with_teacher()}});
  distillation.add(
      "teacher_weights", &DistillationConfig::teacher_weights, Effect::identity,
      {.help = "a safetensors file under timm's tensor names, or a checkpoint; of as many classes",
       .placeholder = "FILE|DIR",
       .absent = "none",
       .when = {with_labels(), with_learning_body(), with_teacher()}});
  distillation.add("teacher_image_size", &DistillationConfig::teacher_image_size, Effect::identity,
                   {.help = "side to which the images are resized for the teacher",
                    .bounds = from_to(8, 2048),
                    .unit = "pixels",
                    .absent = "that of the student's",
                    .when = {with_labels(), with_learning_body(), with_teacher()}});
  distillation.add("alpha", &DistillationConfig::alpha, Effect::identity,
                   {.help = "weight of the teacher's part of the loss; the labels' part has the rest",
                    .bounds = from_to(0, 1),
                    .when = {with_labels(), with_learning_body(), with_teacher()}});
  distillation.add("tau", &DistillationConfig::tau, Effect::identity,
                   {.help = "temperature: both networks' logits are divided by it",
                    .bounds = above_to(0, 1000),
                    .when = {with_labels(), with_learning_body(), with_soft_teacher()}});
}

}  // namespace vitrail::trainer
