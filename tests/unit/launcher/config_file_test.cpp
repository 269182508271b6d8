#include "launcher/cli/config_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;

TEST(ConfigFile, LaterWinsOverWhatItIncludes) {
  config_file("[run]\nlanes = 2\nseed = 7\n[model]\nname = vit_b16\n", "grandparent.ini");
  config_file("include = grandparent.ini\n[run]\nlanes = 4\n", "parent.ini");
  config_file("[model]\ndrop_path = 0.25\n", "other.ini");
  const std::string file =
      config_file("# a run\ninclude = parent.ini\ninclude = other.ini\n\n[run]\nlanes = 8\n");
  const CommandLine line =
      parse_command_line(minimal_training() + std::vector<std::string>{"--config", file});
  EXPECT_EQ(line.config.run.lanes, 8);
  EXPECT_EQ(line.config.run.seed, 7U);
  EXPECT_EQ(line.config.model.name, "vit_b16");
  EXPECT_EQ(line.config.model.drop_path, 0.25);
  EXPECT_EQ(line.config.run.steps, 20) << "flags win over files";
  EXPECT_THAT(print_config(line), HasSubstr("lanes = 8\n"));
  EXPECT_EQ(print_config(line).find("include"), std::string::npos);
}

// Some editors begin a file with it.
TEST(ConfigFile, AByteOrderMarkIsNoPartOfTheFirstLine) {
  for (const char* text : {"\xef\xbb\xbf[run]\nlanes = 8\n", "\xef\xbb\xbfrun.lanes = 8\n",
                           "\xef\xbb\xbf# a run\r\n[run]\r\nlanes = 8\r\n"}) {
    const std::string file = config_file(text);
    EXPECT_EQ(
        parse_command_line(minimal_training() + std::vector<std::string>{"--config", file}).config.run.lanes,
        8);
  }
}

TEST(ConfigFile, WhatIsNoTextIsCalledWhatItIs) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {std::string("\xff\xfe[\0r\0u\0n\0]\0", 12), "is UTF-16, not UTF-8"},
      {std::string("\x89HDF\r\n\x1a\n\0\0", 10), "no text, but an HDF5 file"}};
  for (const auto& [text, what] : cases) {
    const std::string said =
        refusal(minimal_training() + std::vector<std::string>{"--config", config_file(text)});
    EXPECT_THAT(said, testing::AllOf(testing::StartsWith("2 "), HasSubstr(what)));
  }
}

TEST(ConfigFile, PathsAreThoseOfTheIncludingFile) {
  const std::filesystem::path folder =
      std::filesystem::path(config_file("include = below/a.ini\n", "top.cfg")).parent_path();
  std::filesystem::create_directories(folder / "below");
  std::ofstream(folder / "below/a.ini") << "include = b.ini\n";
  std::ofstream(folder / "below/b.ini") << "include = ../c.ini\nrun.lanes = 2\n";
  std::ofstream(folder / "c.ini") << "run.seed = 5\n";
  const auto settings = read_config_file((folder / "top.cfg").string());
  ASSERT_EQ(settings.size(), 2U);
  EXPECT_EQ(settings[0].key, "run.seed");
  EXPECT_THAT(settings[0].place, HasSubstr("c.ini:1"));
  EXPECT_EQ(settings[1].key, "run.lanes");
  EXPECT_THAT(settings[1].place, HasSubstr("b.ini:2"));
}

TEST(ConfigFile, ErrorsInAnIncludedFileNameThatFile) {
  config_file("[run]\nlanes = 3\n", "wrong.ini");
  const std::string file = config_file("include = wrong.ini\n");
  EXPECT_THAT(refusal(minimal_training() + std::vector<std::string>{"--config", file}),
              HasSubstr("wrong.ini:2: run.lanes = 3: expected"));
}

// What each file is refused with; "top.cfg" is given, and stands in a folder with the others.
TEST(ConfigFile, IncludesThatLeadNowhereAreRefused) {
  config_file("include = b.ini\n", "a.ini");
  config_file("\ninclude = a.ini\n", "b.ini");
  config_file("include = itself.ini\n", "itself.ini");
  for (int i = 0; i < kDeepestInclude; ++i) {
    const std::string next =
        i + 1 == kDeepestInclude ? "run.seed = 1\n" : fmt::format("include = {}.ini\n", i + 1);
    config_file(next, fmt::format("{}.ini", i));
  }
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"include = missing.ini\n", "top.cfg:1: include = missing.ini: there is no such file"},
      {"include = .\n", "top.cfg:1: include = .: there is no such file"},
      {"include = a.ini\n", "b.ini:2: include = a.ini: the file includes itself"},
      {"\ninclude = itself.ini\n", "itself.ini:1: include = itself.ini: the file includes itself"},
      {"include = 0.ini\n", "6.ini:1: include = 7.ini: more than 8 files one inside the other"},
      {"[run]\ninclude = a.ini\n", "top.cfg:2: run.include = a.ini: include stands at the top"},
      {"run.seed = 1\ninclude = a.ini\n", "top.cfg:2: include = a.ini: include stands at the top"}};
  for (const auto& [text, message] : cases) {
    const std::string file = config_file(text, "top.cfg");
    const std::string told = refusal(minimal_training() + std::vector<std::string>{"--config", file});
    EXPECT_TRUE(told.starts_with("2 ")) << told;
    EXPECT_THAT(told, HasSubstr(message));
  }
  EXPECT_EQ(read_config_file(config_file("include = 1.ini\n", "top.cfg")).size(), 1U) << "eight are allowed";
}

TEST(ConfigFile, AFileMayBeIncludedByTwoOthers) {
  config_file("[run]\nseed = 1\n", "base.ini");
  config_file("include = base.ini\n[run]\nseed = 2\n", "left.ini");
  config_file("include = base.ini\n", "right.ini");
  const auto settings = read_config_file(config_file("include = left.ini\ninclude = right.ini\n", "top.cfg"));
  ASSERT_EQ(settings.size(), 3U);
  EXPECT_EQ(settings.back().value, "1") << "in the order of the lines";
}

}  // namespace
}  // namespace vitrail::launcher
