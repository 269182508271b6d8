// Command lines and config files for tests: short ways to write them and to catch what they are refused with.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "launcher/cli/command_line.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {

inline std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// The least that `vitrail train` runs with.
inline std::vector<std::string> minimal_training() {
  return {"train", "--data.train", "packs/a", "--run.steps", "20"};
}

// Images of the training packs that the recipes name, as their publishers count them.
inline std::int64_t published_images(const std::string& pack) {
  static const std::map<std::string, std::int64_t> images = {{"packs/imagenet_1k_train", 1'281'167},
                                                             {"packs/cifar10_train", 50'000},
                                                             {"packs/cifar100_train", 50'000},
                                                             {"packs/flowers_trainval", 2'040},
                                                             {"packs/cars_train", 8'144},
                                                             {"packs/inat18_train", 437'513},
                                                             {"packs/fashion-mnist-train", 60'000},
                                                             {"packs/inat19_train", 265'240}};
  if (pack.find("21k") != std::string::npos) return 14'197'122;
  const auto found = images.find(pack);
  if (found == images.end()) ADD_FAILURE() << pack;
  return found == images.end() ? 1'281'167 : found->second;
}

// Removed when the program ends.
struct ConfigFolder {
  const std::filesystem::path path =
      std::filesystem::path(::testing::TempDir()) / ("vitrail_launcher_" + std::to_string(::getpid()));
  ~ConfigFolder() { std::filesystem::remove_all(path); }
};

// A file of this test's own, for --config.
inline std::string config_file(const std::string& text, const std::string& name = "a.cfg") {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  static const ConfigFolder of_this_program;
  const std::filesystem::path folder = of_this_program.path / test->test_suite_name() / test->name();
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name) << text;
  return (folder / name).string();
}

// What a line has for an option of its command, as text.
inline std::string value(const CommandLine& line, const std::string& key) {
  const std::vector<Option> options = make_options();
  const Option* option = find_option(options, key, *line.command);
  if (option == nullptr || !option->used_by(*line.command)) ADD_FAILURE() << key;
  return option == nullptr ? "" : option->get(line).value_or("");
}

// The message and exit code that these words end with: "2 command line: ...". Empty: they are accepted.
inline std::string refusal(const std::vector<std::string>& words) {
  try {
    parse_command_line(words);
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + " " + error.what();
  }
  return "";
}

}  // namespace vitrail::launcher
