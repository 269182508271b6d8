#include "launcher/options/command_sets.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

using namespace trainer;

Condition with_pretrained() {
  return {"model.weights", "model.weights",
          [](const CommandLine& line) { return !line.config.model.weights.empty(); }};
}

Condition with_bce() {
  return {"loss.name", "loss.name = bce",
          [](const CommandLine& line) { return line.config.loss.name == LossName::bce; }};
}

Condition with_teacher() {
  return {"distillation.type", "distillation.type = hard or soft",
          [](const CommandLine& line) { return line.config.distillation.type != DistillationType::none; }};
}

Condition with_soft_teacher() {
  return {"distillation.type", "distillation.type = soft",
          [](const CommandLine& line) { return line.config.distillation.type == DistillationType::soft; }};
}

void add_distillation_settings(std::vector<Option>& table) {
  const Section distillation(
      table, "distillation", kTraining, [](auto& line) -> auto& { return line.config.distillation; });
  distillation.choice(
      "type", &DistillationConfig::type,
      {{DistillationType::none, "none"}, {DistillationType::hard, "hard"}, {DistillationType::soft, "soft"}},
      {.help = "a teacher sees the same images, and the distillation head, or the only one, learns its "
               "likeliest class (hard) or its probabilities (soft)"});
  distillation.add("teacher_model", &DistillationConfig::teacher_model,
                   {.help = "the teacher's network",
                    .placeholder = "NAME",
                    .absent = "that of the checkpoint in teacher_weights",
                    .when = {with_teacher()}});
  distillation.add(
      "teacher_weights", &DistillationConfig::teacher_weights,
      {.help = "a safetensors file under timm's tensor names, or a checkpoint; of as many classes",
       .placeholder = "FILE|DIR",
       .absent = "none",
       .when = {with_teacher()}});
  distillation.add("teacher_image_size", &DistillationConfig::teacher_image_size,
                   {.help = "side to which the images are resized for the teacher",
                    .bounds = from_to(8, 2048),
                    .unit = "pixels",
                    .absent = "that of the student's",
                    .when = {with_teacher()}});
  distillation.add("alpha", &DistillationConfig::alpha,
                   {.help = "weight of the teacher's part of the loss; the labels' part has the rest",
                    .bounds = from_to(0, 1),
                    .when = {with_teacher()}});
  distillation.add("tau", &DistillationConfig::tau,
                   {.help = "temperature: both networks' logits are divided by it",
                    .bounds = above_to(0, 1000),
                    .when = {with_soft_teacher()}});
}

}  // namespace

void add_learning_settings(std::vector<Option>& table) {
  const Section finetune(
      table, "finetune", kTraining, [](auto& line) -> auto& { return line.config.finetune; });
  finetune.choice(
      "weights", &FinetuneConfig::weights, {{WeightsUsed::raw, "raw"}, {WeightsUsed::ema, "ema"}},
      {.help = "where model.weights is a checkpoint: raw: the weights, or ema: their moving average",
       .when = {with_pretrained()}});
  finetune.choice("head", &FinetuneConfig::head,
                  {{HeadStart::fresh, "fresh"}, {HeadStart::by_name, "by_name"}},
                  {.help = "where model.weights has other classes: a new head, or the rows of its head whose "
                           "classes the training data name, too",
                   .when = {with_pretrained()}});
  finetune.add("train_only", &FinetuneConfig::train_only,
               {.help = "the parameters to train, others stay as they are: names with * for any letters, as "
                        "*.attn.*,head.*,pos_embed",
                .placeholder = "PATTERNS",
                .absent = "all of them"});

  const Section loss(
      table, "loss", kTraining, [](auto& line) -> auto& { return line.config.loss; });
  loss.choice("name", &LossConfig::name, {{LossName::ce, "ce"}, {LossName::bce, "bce"}},
              {.help = "cross-entropy, or binary cross-entropy for each class"});
  loss.add(
      "smoothing", &LossConfig::smoothing,
      {.help = "label smoothing: share of the target spread over all classes", .bounds = from_below(0, 1)});
  loss.add(
      "threshold", &LossConfig::threshold,
      {.help = "what a mixed and smoothed target has to exceed to count as 1, not 0: DeiT III 0, commands "
               "that follow ResNet strikes back 0.2",
       .bounds = from_below(0, 1),
       .when = {with_bce()}});

  add_distillation_settings(table);
}

}  // namespace vitrail::launcher
