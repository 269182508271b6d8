// Command lines and config files for tests: short ways to write them and to catch what they are refused with.
#pragma once

#include <filesystem>
#include <fstream>
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
