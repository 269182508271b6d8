// Commands, called as the program calls them: what they print, write and return.
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "launcher/ranks/environment.hpp"
#include "tests/unit/launcher/parsing.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/tasks/unlabelled/patch_mask.hpp"

namespace vitrail::launcher {
namespace {

using testing::HasSubstr;

struct Ended {
  ExitCode code;
  std::string out, err;
};

Ended run_command(const std::vector<std::string>& words) {
  const CommandLine line = parse_command_line(words);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const ExitCode code = line.command->run(line, Environment());
  std::fflush(stdout);
  std::fflush(stderr);
  const std::string out = testing::internal::GetCapturedStdout();
  return {code, out, testing::internal::GetCapturedStderr()};
}

TEST(Commands, AreCompleteAndFoundByName) {
  std::set<std::string> names;
  for (const Command& command : commands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_EQ(find_command(command.name), &command);
    EXPECT_NE(command.run, nullptr) << command.name;
    EXPECT_TRUE(command.flags.has_value()) << command.name;
    EXPECT_TRUE(command.example.starts_with("vitrail " + command.name)) << command.example;
    EXPECT_LE(command.least_arguments, command.most_arguments) << command.name;
    for (const std::string& other : {command.passes_to, command.collects_for}) {
      EXPECT_EQ(find_command(other) == nullptr, other.empty()) << command.name;
    }
  }
  EXPECT_EQ(find_command("nonsense"), nullptr);
}

// Their own flags, the common ones and the settings that they say they use; nothing of others.
TEST(Commands, TakeTheirOwnFlags) {
  EXPECT_EQ(refusal({"models", "--samples", "3"}),
            "2 command line: --samples: `vitrail models` does not use this; it is of preview, attention");
  EXPECT_EQ(refusal({"verify", "a", "--ranks", "2"}),
            "2 command line: --ranks: `vitrail verify` does not use this; it is of launch, plan");
  EXPECT_EQ(refusal({"info", "a", "--model.name", "x"}).substr(0, 59),
            "2 command line: --model.name: `vitrail info` does not use t");
  const CommandLine help = parse_command_line({"preview", "--help"});
  ASSERT_TRUE(help.answer);
  EXPECT_THAT(help.answer->text, HasSubstr("--draws N"));
  EXPECT_THAT(help.answer->text, testing::Not(HasSubstr("--run.lanes")));
}

// Settings of one command in the file of another are checked, and change nothing there.
TEST(Commands, AFileMayHoldWhatAnotherTakes) {
  const std::string file = config_file("[launch]\nvia = srun\n[run]\nsteps = 7\n");
  EXPECT_EQ(parse_command_line({"train", "--config", file, "--data.train", "a"}).config.run.steps, 7);
  EXPECT_THAT(refusal({"models", "--config", config_file("[launch]\nvia = ssh\n", "b.cfg")}),
              HasSubstr("launch.via = ssh: expected auto, srun or mpirun"));
}

TEST(Commands, ModelsDescribesTheNetworkThatIsAskedFor) {
  const Ended ended =
      run_command({"models", "--model", "vit_b16", "--model.classes", "10", "--format", "json"});
  EXPECT_EQ(ended.code, ExitCode::done);
  const auto rows = nlohmann::json::parse(ended.out);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["name"], "vit_b16");
  EXPECT_EQ(rows[0]["classes"], 10);
  // By hand: 12 blocks of 7,089,408 (two gains of 768 each), patches 590,592, the class token 768, positions
  // of 196 patches 150,528, the last norm 1,536, the head 7,690.
  EXPECT_EQ(rows[0]["params"], 85'824'010);
}

TEST(Commands, PreviewWritesWhatAModelWillSee) {
  const std::filesystem::path file = std::filesystem::path(config_file("")).parent_path() / "a.safetensors";
  const Ended ended =
      run_command({"preview", "--data", "synthetic:6,2,16", "--output", file.string(), "--samples", "4",
                   "--draws", "2", "--model.image_size", "8", "--format", "json"});
  EXPECT_EQ(ended.code, ExitCode::done);
  EXPECT_TRUE(nlohmann::json::parse(ended.out).is_object());
  const SafetensorsReader pixels(file.string());
  ASSERT_EQ(pixels.tensors().size(), 1U);
  EXPECT_EQ(pixels.info(pixels.tensors().begin()->first).shape, (std::vector<std::int64_t>{2, 4, 3, 8, 8}));
}

// Each task's own views of a sample, with their names; of a masked autoencoder, which patches it sees.
TEST(Commands, PreviewShowsTheViewsOfTheTask) {
  const std::filesystem::path file =
      std::filesystem::path(config_file("")).parent_path() / "views.safetensors";
  const auto shown = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {
        "preview", "--data", "synthetic:6,2,16", "--output", file.string(), "--samples", "3",
        "--draws", "2",      "--format",         "json",     "--run.seed",  "5"};
    words.insert(words.end(), more.begin(), more.end());
    const Ended ended = run_command(words);
    EXPECT_EQ(ended.code, ExitCode::done);
    return nlohmann::json::parse(ended.out);
  };
  const auto columns = [](const nlohmann::json& json) {
    std::vector<std::string> names;
    for (const auto& draw : json["draws"]) {
      names.push_back(fmt::format("{} {} {}", draw["epoch"].get<int>(), draw.value("view", ""),
                                  draw.value("image_size", 0)));
    }
    return names;
  };
  const auto dino = shown({"--task.name", "dino", "--model.image_size", "16", "--dino.local_size", "8",
                           "--dino.local_views", "2"});
  EXPECT_EQ(columns(dino),
            (std::vector<std::string>{"0 global 1 16", "0 global 2 16", "0 local 1 8", "0 local 2 8",
                                      "1 global 1 16", "1 global 2 16", "1 local 1 8", "1 local 2 8"}));
  EXPECT_EQ(dino["draws"][0]["pictures"][0]["operations"].back()["name"], "blur");  // of every first view
  const SafetensorsReader pixels(file.string());
  EXPECT_EQ(pixels.info("global_2").shape, (std::vector<std::int64_t>{2, 3, 3, 16, 16}));
  EXPECT_EQ(pixels.info("local_2").shape, (std::vector<std::int64_t>{2, 3, 3, 8, 8}));

  const auto grafit = shown({"--task.name", "grafit", "--grafit.views", "2", "--model.image_size", "8"});
  EXPECT_EQ(columns(grafit),
            (std::vector<std::string>{"0 instance 1 8", "0 instance 2 8", "0 neighbours 8", "1 instance 1 8",
                                      "1 instance 2 8", "1 neighbours 8"}));
  EXPECT_EQ(
      columns(shown({"--task.name", "grafit", "--grafit.instance_weight", "0", "--model.image_size", "8"})),
      (std::vector<std::string>{"0  0", "1  0"}));

  const auto mae = shown(
      {"--task.name", "mae", "--model.name", "deit_b16", "--model.image_size", "64", "--mae.masked", "0.75"});
  EXPECT_EQ(mae["patch"], 16);
  // The step's draws of lane 0, by which training hides them.
  const std::vector<std::int64_t> seen =
      trainer::draw_seen_patches({.seed = 5, .step = 1, .lane = 0}, 3, 16, 4);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto first = seen.begin() + static_cast<std::ptrdiff_t>(4 * i);
    EXPECT_EQ(mae["draws"][1]["pictures"][i]["seen"], std::vector<std::int64_t>(first, first + 4));
  }
  EXPECT_EQ(SafetensorsReader(file.string()).info("seen").shape, (std::vector<std::int64_t>{2, 3, 4}));
  const CommandLine convnet =
      parse_command_line({"preview", "--data", "synthetic:6,2,16", "--output", file.string(), "--task.name",
                          "mae", "--model.name", "resnet50"});
  try {
    convnet.command->run(convnet, Environment());
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_EQ(std::string(e.what()), "model.name = resnet50 with task.name = mae");
  }
}

TEST(Commands, CheckpointSaysWhichFolderIsMissing) {
  const CommandLine line = parse_command_line({"checkpoint", "list", "/nowhere/at/all"});
  try {
    line.command->run(line, Environment());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_STREQ(error.what(), "/nowhere/at/all: there is no such folder");
  }
}

TEST(Commands, LaunchPrintsAScheduleInsteadOfStartingRanks) {
  const Ended ended = run_command({"launch", "--data.train", "nowhere", "--run.epochs", "2", "--images", "64",
                                   "--data.global_batch_size", "32", "--print-schedule", "--format", "json"});
  EXPECT_EQ(ended.code, ExitCode::done);
  EXPECT_EQ(nlohmann::json::parse(ended.out)["steps"], 4);
}

}  // namespace
}  // namespace vitrail::launcher
