#include "launcher/cli/stored_settings.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/unit/launcher/parsing.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class StoredSettings : public testing::Test {
 protected:
  StoredSettings() {
    trainer::CheckpointManifest manifest;
    const std::vector<std::string> words = {"--model.name", "vit_b16",   "--model.classes",    "10",
                                            "--run.lanes",  "8",         "--optimizer.lr",     "0.5",
                                            "--data.val",   "packs/val", "--model.image_size", "128"};
    manifest.settings = resolved_settings(parse_command_line(minimal_training() + words));
    manifest.settings["later.key"] = "of a later version";
    write(manifest);
  }
  ~StoredSettings() override { fs::remove_all(run_); }

  void write(const trainer::CheckpointManifest& manifest) const {
    fs::create_directories(checkpoint_);
    write_text_atomically(checkpoint_ / "manifest.json", to_json(manifest));
  }

  static std::string refused(const std::vector<std::string>& words) {
    try {
      parse_with_stored_settings(words);
    } catch (const Error& e) {
      return fmt::format("{} {}", static_cast<int>(e.code()), e.what());
    }
    return "";
  }

  const fs::path run_ = fs::path(testing::TempDir()) / fmt::format("vitrail_stored_settings_{}", ::getpid());
  const fs::path checkpoint_ = run_ / "checkpoints" / "step-00000012";
};

TEST_F(StoredSettings, WhatTheLineLeavesOutIsTheCheckpoints) {
  for (const fs::path& path : {checkpoint_, checkpoint_.parent_path(), run_}) {
    const CommandLine line = parse_with_stored_settings({"eval", "--checkpoint", path.string()});
    EXPECT_EQ(line.config.model.name, "vit_b16");
    EXPECT_EQ(line.config.model.classes, 10);
    EXPECT_EQ(line.config.model.image_size, 128);
    EXPECT_EQ(line.config.run.lanes, 8);
    EXPECT_EQ(line.config.data.val, "packs/val");
  }
}

TEST_F(StoredSettings, TheLineWins) {
  const std::string file = config_file("[run]\nlanes = 2\n[data]\nworkers = 3\n");
  const CommandLine line = parse_with_stored_settings(
      {"eval", "--config", file, "--checkpoint", run_.string(), "--data", "packs/other", "--run.lanes", "4"});
  EXPECT_EQ(line.config.data.val, "packs/other");
  EXPECT_EQ(line.config.run.lanes, 4);
  EXPECT_EQ(line.config.data.workers, 3);
  EXPECT_EQ(line.config.model.name, "vit_b16");
}

class Normalised : public StoredSettings {
 protected:
  // Weights without metadata; timm's name tells how images were normalised for them.
  std::string weights(const std::map<std::string, std::string>& metadata = {}) const {
    const float value = 1;
    write_safetensors(run_ / "w.safetensors",
                      {{"a", {DataType::f32, {1}, std::as_bytes(std::span(&value, 1))}}}, metadata);
    return (run_ / "w.safetensors").string();
  }
  static Normalisation of(const std::vector<std::string>& words) {
    return parse_with_stored_settings(words).config.data.normalisation;
  }
  // A run of `settings` that stands in the folder of the test.
  void begin_run(const std::map<std::string, std::string>& settings) const {
    trainer::CheckpointManifest manifest;
    manifest.settings = settings;
    write(manifest);
  }

  static constexpr Normalisation kOther = {{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}};
};

TEST_F(Normalised, AsTheWeightsWantIt) {
  const std::string file = weights();
  for (const char* command : {"eval", "predict"}) {
    const std::vector<std::string> words = {command, "--data", "packs/a", "--model.weights", file};
    EXPECT_EQ(of(words + std::vector<std::string>{"--model.name", "vit_base_patch16_224"}), kHalves);
    EXPECT_EQ(of(words + std::vector<std::string>{"--model.name", "deit_base_patch16_224"}), kImageNet);
    EXPECT_EQ(of(words), kImageNet) << "nothing tells";
    EXPECT_EQ(of(words + std::vector<std::string>{"--model.name", "vit_base_patch16_224", "--data.mean",
                                                  "0.1,0.2,0.3"}),
              (Normalisation{kOther.mean, kHalves.deviation}))
        << "what is given wins";
  }
  EXPECT_EQ(of({"import", "--model.name", "vit_base_patch16_224", "--model.weights", file, "--output", "x"}),
            kHalves);
  EXPECT_EQ(of({"train", "--data.train", "packs/a", "--run.steps", "9", "--run.dir", (run_ / "new").string(),
                "--model.name", "vit_base_patch16_224", "--model.weights", file}),
            kHalves);
  EXPECT_EQ(
      of({"train", "--data.train", "packs/a", "--run.steps", "9", "--model.name", "vit_base_patch16_224"}),
      kImageNet)
      << "from the start, whatever the network is called";
  EXPECT_EQ(of({"eval", "--data", "packs/a", "--model.weights",
                weights({{"data.mean", "0.1,0.2,0.3"}, {"data.std", "0.4,0.5,0.6"}})}),
            kOther);
  EXPECT_EQ(of({"eval", "--data", "packs/a", "--model.weights", (run_ / "nowhere").string()}), kImageNet)
      << "told later";
}

TEST_F(Normalised, ItIsPrinted) {
  const CommandLine line = parse_with_stored_settings(
      {"train", "--data.train", "packs/a", "--run.steps", "9", "--model.name", "vit_base_patch16_224",
       "--model.weights", weights(), "--run.dir", (run_ / "new").string(), "--print-config"});
  EXPECT_THAT(line.answer->text, HasSubstr("mean = 0.5,0.5,0.5\nstd = 0.5,0.5,0.5\n"));
}

// Also one that was begun when there was no such setting, and one whose weights are gone.
TEST_F(Normalised, ARunThatGoesOnKeepsItsOwn) {
  const std::vector<std::string> words = {
      "train",     "--data.train", "packs/a",      "--run.steps",          "9",
      "--run.dir", run_.string(),  "--model.name", "vit_base_patch16_224", "--model.weights",
      weights()};
  begin_run({{"data.train", "packs/a"}});
  EXPECT_EQ(of(words), kImageNet);
  begin_run({{"data.mean", "0.1,0.2,0.3"}, {"data.std", "0.4,0.5,0.6"}});
  fs::remove(run_ / "w.safetensors");
  EXPECT_EQ(of(words), kOther);
  begin_run({{"data.mean", "0.1,0.2,0.3"}, {"data.std", "0.4,0.5,0.6"}});
  EXPECT_EQ(of({"eval", "--data", "packs/a", "--checkpoint", run_.string()}), kOther);
  EXPECT_EQ(of({"eval", "--data", "packs/a", "--model.weights", run_.string()}), kOther);
}

TEST_F(StoredSettings, OtherCommandsReadNone) {
  const CommandLine line =
      parse_with_stored_settings({"export", "--checkpoint", run_.string(), "--output", "a.safetensors"});
  EXPECT_EQ(line.config.model.name, models::ModelConfig().name);
  EXPECT_EQ(refused({"eval", "--data", "x", "--model.weights", "a.safetensors"}), "");
}

TEST_F(StoredSettings, ACheckpointThatIsMissingOrDamaged) {
  EXPECT_THAT(refused({"eval", "--checkpoint", (run_ / "nowhere").string()}),
              HasSubstr("2 " + (run_ / "nowhere").string() + ": no checkpoint there"));
  write_text_atomically(checkpoint_ / "manifest.json", "{");
  EXPECT_EQ(refused({"eval", "--checkpoint", run_.string()}),
            fmt::format("65 {}: it is not JSON", (checkpoint_ / "manifest.json").string()));
}

}  // namespace
}  // namespace vitrail::launcher
