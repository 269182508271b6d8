#include "launcher/cli/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::ElementsAre;

TEST(CommandLine, FlagsBecomeFields) {
  const CommandLine line = parse_command_line(
      minimal_training() + std::vector<std::string>{"--run.seed=18446744073709551615", "--run.lanes", "8",
                                                    "--optimizer.name", "adamw", "--optimizer.lr", "1e-3",
                                                    "--augment.flip", "false", "--schedule.warmup", "5ep",
                                                    "--model.depth", "3", "--checkpoint.every", "2h",
                                                    "--run.name", "vit.s16_a-1"});
  EXPECT_EQ(line.command->name, "train");
  EXPECT_FALSE(line.answer);
  EXPECT_EQ(line.config.data.train, "packs/a");
  EXPECT_EQ(line.config.run.seed, 18446744073709551615u);
  EXPECT_EQ(line.config.run.lanes, 8);
  EXPECT_EQ(line.config.optimizer.name, sharding::OptimizerName::adamw);
  EXPECT_EQ(line.config.optimizer.lr, 1e-3);
  EXPECT_FALSE(line.config.augment.flip);
  EXPECT_EQ(line.config.schedule.warmup, (Duration{5, Duration::Unit::epochs}));
  EXPECT_EQ(line.config.model.depth, 3);
  EXPECT_FALSE(line.config.model.width);
  EXPECT_EQ(line.config.checkpoint.every, (Duration{7200, Duration::Unit::seconds}));
  EXPECT_EQ(line.config.run.name, "vit.s16_a-1");
}

TEST(CommandLine, ModelsKeepTheirOwnWhereNothingIsGiven) {
  const CommandLine line = parse_command_line(minimal_training());
  EXPECT_FALSE(line.config.model.layer_scale);
  EXPECT_EQ(line.config.model.drop_path_law, models::DropPathLaw::of_model);
  const CommandLine given = parse_command_line(
      minimal_training() + std::vector<std::string>{"--model.layer_scale", "0.1", "--model.parallel", "2",
                                                    "--model.drop_path_law", "linear",
                                                    "--model.activation_checkpointing", "every:4"});
  EXPECT_EQ(given.config.model.layer_scale, 0.1);
  EXPECT_EQ(given.config.model.parallel, 2);
  EXPECT_EQ(given.config.model.drop_path_law, models::DropPathLaw::linear);
  EXPECT_EQ(given.config.model.activation_checkpointing, "every:4");
}

TEST(CommandLine, TimmsNamesBringTheirImageSize) {
  const auto size = [](const std::vector<std::string>& words) {
    return parse_command_line(words).config.model.image_size;
  };
  const std::vector<std::string> named = {"--model.name", "cait_m48_448"};
  EXPECT_EQ(size(minimal_training()), 224);
  EXPECT_EQ(size(minimal_training() + named), 448);
  EXPECT_EQ(size(minimal_training() + named + std::vector<std::string>{"--model.image_size", "64"}), 64);
  EXPECT_EQ(size({"models", "--model", "deit3_base_patch16_384"}), 384);
  EXPECT_EQ(size({"models", "--model", "cait_m48"}), 224);
  EXPECT_EQ(
      parse_command_line(minimal_training() + named, {{"model.image_size", "96"}}).config.model.image_size,
      96)
      << "a checkpoint's own size counts";
}

TEST(CommandLine, FilesApplyInOrderThenFlags) {
  const std::string first =
      config_file("[run]\nlanes = 4  # four\nsteps = 7\nthreads = 2\n[data]\ntrain=a b\n");
  const std::string second = config_file("# comment\n\n[run]\nlanes = 8\r\nsteps = 9\n", "b.cfg");
  // The flag stands before the files and still wins.
  const CommandLine line =
      parse_command_line({"train", "--run.lanes", "16", "--config", first, "--config", second});
  EXPECT_EQ(line.config.run.lanes, 16);
  EXPECT_EQ(line.config.run.steps, 9);
  EXPECT_EQ(line.config.run.threads, 2);
  EXPECT_EQ(line.config.data.train, "a b");
  EXPECT_THAT(line.config_files, ElementsAre(first, second));
}

TEST(CommandLine, LaterFlagWins) {
  EXPECT_EQ(
      parse_command_line(minimal_training() + std::vector<std::string>{"--run.steps", "5"}).config.run.steps,
      5);
}

TEST(CommandLine, LengthGivenAsFlagReplacesTheFiles) {
  const std::string file = config_file("[run]\nepochs = 4\n[data]\ntrain = packs/a\n");
  const auto line = parse_command_line({"train", "--config", file, "--run.steps", "60"});
  EXPECT_EQ(line.config.run.steps, 60);
  EXPECT_EQ(line.config.run.epochs, 0);
  EXPECT_EQ(refusal({"train", "--config", file, "--run.steps", "60", "--run.epochs", "2"}),
            "78 run.epochs = 2 with run.steps = 60: set exactly one of them, the length of the run");
}

TEST(CommandLine, FileMayHoldKeysOfOtherCommands) {
  const std::string file =
      config_file("[launch]\nvia = srun\n[optimizer]\nlr = 0.1\n[model]\nclasses = 10\n");
  EXPECT_EQ(parse_command_line({"models", "--config", file}).config.model.classes, 10);
}

TEST(CommandLine, LaunchPassesOnWhatTrainUses) {
  const std::string file = config_file("[data]\ntrain = a\n[run]\nsteps = 3\nlanes = 4\n");
  const CommandLine line =
      parse_command_line({"launch", "-n", "3", "--config", file, "--run.name=x", "--launch.via", "srun",
                          "--launch.srun_args", "--exclusive -c 2", "--model.classes", "10", "--nodes", "2"});
  EXPECT_EQ(value(line, "ranks"), "3");
  EXPECT_EQ(value(line, "nodes"), "2");
  EXPECT_EQ(value(line, "launch.via"), "srun");
  EXPECT_EQ(value(line, "launch.srun_args"), "--exclusive -c 2");
  EXPECT_THAT(line.passed_on, ElementsAre("--config", file, "--run.name=x", "--model.classes", "10"));
}

TEST(CommandLine, SingleCommands) {
  const CommandLine pack = parse_command_line({"pack", "--source", "folder:x", "--output", "y", "--shard-mib",
                                               "64", "--threads", "3", "--split", "val"});
  EXPECT_EQ(value(pack, "source"), "folder:x");
  EXPECT_EQ(value(pack, "output"), "y");
  EXPECT_EQ(value(pack, "shard-mib"), "64");
  EXPECT_EQ(value(pack, "threads"), "3");
  EXPECT_EQ(value(pack, "split"), "val");

  const CommandLine verify = parse_command_line({"verify", "packs/a", "--decode"});
  EXPECT_EQ(value(verify, "decode"), "true");
  EXPECT_THAT(verify.arguments, ElementsAre("packs/a"));
  EXPECT_EQ(value(verify, "threads"), "");

  EXPECT_EQ(value(parse_command_line({"info", "--format", "json", "packs/a"}), "format"), "json");
  EXPECT_EQ(value(parse_command_line({"models", "--model", "vit_b16"}), "model"), "vit_b16");

  const CommandLine weights =
      parse_command_line({"export", "--checkpoint", "c", "--output", "m.safetensors"});
  EXPECT_EQ(weights.command->name, "export");
  EXPECT_EQ(value(weights, "checkpoint"), "c");

  const CommandLine hash = parse_command_line({"checkpoint", "hash", "c", "--part", "optimizer"});
  EXPECT_EQ(value(hash, "part"), "optimizer");
  EXPECT_THAT(hash.arguments, ElementsAre("c"));
  EXPECT_THAT(parse_command_line({"checkpoint", "compare", "c", "d"}).arguments, ElementsAre("c", "d"));
}

TEST(CommandLine, EvaluationSourceIsDataVal) {
  const std::string file = config_file("[data]\nval = packs/val\n[model]\nweights = w.safetensors\n");
  EXPECT_EQ(parse_command_line({"eval", "--config", file}).config.data.val, "packs/val");
  EXPECT_EQ(parse_command_line({"eval", "--config", file, "--data", "other"}).config.data.val, "other");
}

TEST(CommandLine, Answers) {
  EXPECT_EQ(parse_command_line({}).answer->code, ExitCode::usage);
  EXPECT_EQ(parse_command_line({}).answer->text, parse_command_line({"--help"}).answer->text);
  EXPECT_EQ(parse_command_line({"--help"}).answer->code, ExitCode::done);
  EXPECT_THAT(parse_command_line({"--version"}).answer->text,
              ::testing::MatchesRegex("vitrail [0-9.]+\ncommit [0-9a-z-]+; LibTorch [^;]+; CUDA [^;]+; NCCL "
                                      "[^;]+; [^;]+; HDF5 [0-9.]+(; \\w+ here)?\n"));
  // Help is given even where the rest would be refused.
  EXPECT_THAT(parse_command_line({"train", "--bogus", "-h"}).answer->text,
              ::testing::HasSubstr("--run.lanes"));
}

TEST(CommandLine, PreviewTakesAugmentationAndAFile) {
  const CommandLine line = parse_command_line(
      {"preview", "--data", "folder:a", "--output", "grid.png", "--draws", "3", "--augment.randaugment",
       "rand-m9-mstd0.5-inc1", "--model.image_size", "160", "--run.seed", "4"});
  EXPECT_EQ(line.command->name, "preview");
  EXPECT_EQ(line.config.data.train, "folder:a");
  EXPECT_EQ(line.config.augment.randaugment, "rand-m9-mstd0.5-inc1");
  EXPECT_EQ(line.config.model.image_size, 160);
  EXPECT_EQ(value(line, "draws"), "3");
  EXPECT_EQ(refusal({"preview", "--data", "a", "--output", "grid.gif"}),
            "2 command line: --output grid.gif: expected a name that ends with .jpg, .png or .safetensors");
  EXPECT_EQ(refusal({"preview", "--data", "a", "--output", "g.png", "--augment.randaugment", "rand-foo"}),
            "2 command line: --augment.randaugment rand-foo: foo is none of m, n, p, mstd, mmax, inc with a "
            "number, or t with a set: expected rand and any of -mN -nN -pX -mstdX -mmaxN -inc1 -tSET");
}

}  // namespace
}  // namespace vitrail::launcher
