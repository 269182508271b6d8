#include "launcher/cli/completion.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "launcher/cli/command.hpp"
#include "launcher/cli/manual.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

using testing::HasSubstr;
using testing::Not;

class CompletionTest : public testing::Test {
 protected:
  CompletionTest() { std::ofstream(script_) << bash_completion(make_options()); }
  ~CompletionTest() override { std::filesystem::remove(script_); }

  // What bash itself would offer for the last of these words.
  std::string offered(const std::string& words) const {
    const std::string command = fmt::format(
        "bash -c 'source {}; COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _vitrail; echo "
        "\"${{COMPREPLY[*]}}\"' 2>&1",
        script_.string(), words);
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    std::string text;
    std::array<char, 4096> part{};
    while (std::fgets(part.data(), part.size(), pipe.get()) != nullptr) text += part.data();
    return text;
  }

  std::filesystem::path script_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("vitrail_completion_{}", ::getpid());
};

TEST_F(CompletionTest, OffersCommandsOptionsAndValues) {
  EXPECT_EQ(offered("vitrail e"), "eval export\n");
  EXPECT_EQ(offered("vitrail train --optimizer.mom"), "--optimizer.momentum\n");
  EXPECT_EQ(offered("vitrail report runs/x --format \"\""), "auto html text csv json tensorboard\n");
  EXPECT_EQ(offered("vitrail watch runs/x --format o"), "openmetrics\n");
  EXPECT_EQ(offered("vitrail launch --optimizer.name l"), "lamb\n");
  EXPECT_EQ(offered("vitrail sweep run grid.ini --optimizer.name s"), "sgd\n");
  EXPECT_EQ(offered("vitrail sweep run grid.ini --optimizer.mom"), "--optimizer.momentum\n");
  EXPECT_EQ(offered("vitrail launch --optimizer.mom"), "--optimizer.momentum\n");  // once
  EXPECT_EQ(offered("vitrail sweep run grid.ini --form"), "--format\n");
  EXPECT_EQ(offered("vitrail eval --checkpoint ru"), "\n");  // a file: the shell's own affair
}

TEST(Manual, HasEveryOptionOfACommand) {
  const std::vector<Option> options = make_options();
  const std::string page = manual_page(command_named("launch"), options);
  EXPECT_TRUE(page.starts_with(".TH VITRAIL-LAUNCH 1 "));
  EXPECT_THAT(page, HasSubstr(".SH NAME\nvitrail\\-launch \\- start train"));
  EXPECT_THAT(page, HasSubstr(".SH SETTINGS OF optimizer\n"));
  for (const Option& option : options) {
    if (!option.used_by(command_named("launch"))) continue;
    std::string key = option.key;
    for (std::size_t at = 0; (at = key.find('-', at)) != std::string::npos; at += 2) key.insert(at, "\\");
    EXPECT_THAT(page, HasSubstr("\\-\\-" + key));
  }
  EXPECT_THAT(page, Not(HasSubstr("\n'")));
}

TEST(Manual, OfTheProgramListsTheCommands) {
  const std::string page = manual_page();
  for (const Command& command : commands()) EXPECT_THAT(page, HasSubstr("\\fB" + command.name + "\\fR"));
}

}  // namespace
}  // namespace vitrail::launcher
