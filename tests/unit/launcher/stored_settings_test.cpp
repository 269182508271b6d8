#include "launcher/stored_settings.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/unit/launcher/parsing.hpp"
#include "trainer/base/atomic_file.hpp"
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
