// The help texts against committed ones. After a wanted change, write them anew and read the difference:
//   VITRAIL_REGENERATE=1 build/dev/unit_launcher --gtest_filter='Help*' ; git diff tests/fixtures/launcher
#include "launcher/cli/help.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "launcher/cli/command_line.hpp"
#include "launcher/options/options.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

void expect_golden(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(VITRAIL_FIXTURES) / "launcher" / name;
  if (std::getenv("VITRAIL_REGENERATE") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(text, read_text(path)) << name;
}

std::vector<std::string> all_texts() {
  std::vector<std::string> texts = {help_text()};
  for (const Command& command : commands()) texts.push_back(help_text(command, make_options()));
  return texts;
}

TEST(Help, OfTheProgram) { expect_golden("help.txt", help_text()); }

TEST(Help, OfEachCommand) {
  for (const Command& command : commands()) {
    expect_golden("help_" + command.name + ".txt", help_text(command, make_options()));
  }
}

TEST(Help, FitsInto100Columns) {
  for (const std::string& text : all_texts()) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 100u) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
  }
}

TEST(Help, EveryOptionHasHelpAndADefaultOrAReason) {
  for (const Option& option : make_options()) {
    EXPECT_FALSE(option.about.help.empty()) << option.key;
    EXPECT_FALSE(option.commands.empty()) << option.key;
    const bool has_default = !option.get(CommandLine(*option.commands.front())).value_or("").empty();
    const bool explained = option.about.required || !option.about.absent.empty() || option.is_switch;
    const bool may_be_empty = option.key == "config" || option.key == "launch.srun_args";
    EXPECT_TRUE(has_default || explained || may_be_empty) << option.key;
  }
}

}  // namespace
}  // namespace vitrail::launcher
