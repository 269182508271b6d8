#include "launcher/options/option_synonyms.hpp"

#include <gmock/gmock.h>

#include "launcher/options/options.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

std::vector<std::string> settings_and_flags_of(const std::string& command) {
  std::vector<std::string> keys;
  for (const Option& option : make_options()) {
    if (option.used_by(command_named(command))) keys.push_back(option.key);
  }
  return keys;
}

std::string key_of(const std::string& written, const std::string& command = "launch") {
  const std::string hint = key_hint(written, settings_and_flags_of(command));
  const std::string lead = "; nearest known key: ";
  return hint.starts_with(lead) ? hint.substr(lead.size(), hint.find(':', lead.size()) - lead.size()) : hint;
}

// What users of other trainers type, and what they mean by it.
TEST(OptionSynonyms, TheFieldsWordsLeadToTheKeyThatIsMeant) {
  const std::vector<std::pair<std::string, std::string>> meant = {
      {"lr", "optimizer.lr"},
      {"learning_rate", "optimizer.lr"},
      {"learning-rate", "optimizer.lr"},
      {"train.learning_rate", "optimizer.lr"},
      {"optim.lr", "optimizer.lr"},
      {"model.lr", "optimizer.lr"},
      {"optimizer.learning_rate", "optimizer.lr"},
      {"opt", "optimizer.name"},
      {"weight-decay", "optimizer.weight_decay"},
      {"wd", "optimizer.weight_decay"},
      {"clip_grad", "optimizer.clip_norm"},
      {"max_grad_norm", "optimizer.clip_norm"},
      {"batch_size", "data.global_batch_size"},
      {"batch-size", "data.global_batch_size"},
      {"data.batch_size", "data.global_batch_size"},
      {"train.batch_size", "data.global_batch_size"},
      {"eval.batch_size", "evaluate.batch_size"},
      {"val_batch_size", "evaluate.batch_size"},
      {"accumulation", "run.lanes"},
      {"accumulate", "run.lanes"},
      {"accum_iter", "run.lanes"},
      {"train.accumulation_steps", "run.lanes"},
      {"amp", "precision.compute"},
      {"fp16", "precision.compute"},
      {"train.mixed_precision", "precision.compute"},
      {"precision", "precision.compute"},
      {"workers", "data.workers"},
      {"num_workers", "data.workers"},
      {"data.num_workers", "data.workers"},
      {"epochs", "run.epochs"},
      {"train.epochs", "run.epochs"},
      {"run.epoch", "run.epochs"},
      {"run.step", "run.steps"},
      {"max_steps", "run.steps"},
      {"warmup_epochs", "schedule.warmup"},
      {"optimizer.warmup_steps", "schedule.warmup"},
      {"scheduler.min_lr", "schedule.min_lr"},
      {"dropout", "model.drop_path"},
      {"model.drop_path_rate", "model.drop_path"},
      {"num_classes", "model.classes"},
      {"img_size", "model.image_size"},
      {"arch", "model.name"},
      {"pretrained", "model.weights"},
      {"resume", "checkpoint.resume"},
      {"output_dir", "run.dir"},
      {"model_ema", "ema.decay"},
      {"label_smoothing", "loss.smoothing"},
      {"mixup_alpha", "augment.mixup"},
      {"reprob", "augment.random_erasing"},
      {"aa", "augment.randaugment"},
      {"auto_augment", "augment.autoaugment"},
      {"agc", "optimizer.clip_adaptive"},
      {"crop_pct", "evaluate.crop_ratio"},
      {"grad_checkpointing", "model.activation_checkpointing"},
      {"nproc_per_node", "ranks"},
      {"nnodes", "nodes"},
      {"mean", "data.mean"},
      {"learing_rate", "optimizer.lr"},
      {"optimiser.lr", "optimizer.lr"},
      {"run.lanez", "run.lanes"},
      {"lanes", "run.lanes"},
      {"data.worker", "data.workers"},
  };
  for (const auto& [written, key] : meant) EXPECT_EQ(key_of(written), key) << written;
}

TEST(OptionSynonyms, WhatWeHaveNotIsSaid) {
  const auto known = settings_and_flags_of("train");
  for (const char* key : {"wandb", "log.tensorboard", "tensorboard"}) {
    EXPECT_THAT(key_hint(key, known), testing::HasSubstr("vitrail report RUN --format tensorboard"));
  }
  EXPECT_THAT(key_hint("ddp", known), testing::HasSubstr("vitrail launch -n RANKS starts them"));
  EXPECT_THAT(key_hint("dropout", known),
              testing::HasSubstr("model.drop_path: there is no dropout of single values"));
  EXPECT_THAT(key_hint("compile", known), testing::HasSubstr("without a compiler"));
  EXPECT_EQ(key_hint("bogus", known), "");
}

TEST(OptionSynonyms, EveryKeyOfTheTableIsOne) {
  const auto known = settings_and_flags_of("launch");
  for (const std::string& key : keys_with_synonyms()) EXPECT_THAT(known, testing::Contains(key));
}

TEST(OptionSynonyms, OnlyKeysOfTheCommandAreNamed) {
  EXPECT_EQ(key_of("lr", "eval"), "");
  EXPECT_EQ(key_of("batch_size", "predict"), "evaluate.batch_size");
  EXPECT_EQ(key_of("num_workers", "eval"), "data.workers");
}

TEST(OptionSynonyms, Commands) {
  const std::vector<std::string> commands = {"pack",    "verify", "info",   "launch", "train", "eval",
                                             "predict", "models", "export", "watch",  "report"};
  EXPECT_EQ(meant_command("evaluate", commands), "eval");
  EXPECT_EQ(meant_command("test", commands), "eval");
  EXPECT_EQ(meant_command("fit", commands), "train");
  EXPECT_EQ(meant_command("inference", commands), "predict");
  EXPECT_EQ(meant_command("trian", commands), "train");
  EXPECT_EQ(meant_command("Eval", commands), "eval");
  EXPECT_EQ(meant_command("resume", commands), "launch");
  EXPECT_EQ(meant_command("status", commands), "watch");
  EXPECT_EQ(meant_command("tensorboard", commands), "report");
  EXPECT_EQ(meant_command("doctor", commands), "");
}

TEST(OptionSynonyms, AccumulationIsToldOfLanes) {
  for (const char* key :
       {"train.grad_accum_steps", "gradient_accumulation", "run.accumulate", "micro_batch_size"}) {
    EXPECT_EQ(refusal({"train", std::string("--") + key, "2"}),
              std::string("2 command line: --") + key +
                  ": unknown key; nearest known key: run.lanes: gradients are accumulated over lanes: "
                  "run.lanes is the "
                  "number of micro-batches");
  }
}

// --ema is a flag of export, --output one of pack: neither outranks what a user of train means.
TEST(OptionSynonyms, FlagsOfOtherCommandsDoNotOutrankTheKeyThatIsMeant) {
  const std::string place = "2 command line: ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--ema", "`vitrail train` does not use this; it is of export; nearest known key: ema.decay"},
      {"--model", "`vitrail train` does not use this; it is of models; nearest known key: model.name"},
      {"--output", "`vitrail train` does not use this; it is of pack; nearest known key: run.dir"},
      {"--source", "`vitrail train` does not use this; it is of pack"},
      {"--gpus", "unknown key; ranks are started by vitrail launch -n RANKS"}};
  for (const auto& [flag, message] : cases) {
    EXPECT_EQ(refusal(minimal_training() + std::vector<std::string>{flag, "3"}),
              fmt::format("{}{}: {}", place, flag, message));
  }
}

}  // namespace
}  // namespace vitrail::launcher
