#include <gtest/gtest.h>

#include "launcher/sweep/flags.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

TEST(SweepCommandLineErrors, OptionsOfOtherActions) {
  const auto told = [](const std::string& action, const std::vector<std::string>& more) {
    return refusal(std::vector<std::string>{"sweep", action, "g.ini"} + more);
  };
  EXPECT_EQ(told("plan", {"--task", "1"}),
            "2 command line: --task: nothing uses this without `sweep run` or `sweep folder`");
  EXPECT_EQ(told("status", {"--at-once", "2"}),
            "2 command line: --at-once: nothing uses this without `sweep run` or `sweep submit`");
  EXPECT_EQ(told("plan", {"--metric", "loss"}),
            "2 command line: --metric: nothing uses this without `sweep run` or `sweep status`");
  EXPECT_EQ(told("run", {"--sbatch-args", "-t 1"}),
            "2 command line: --sbatch-args: nothing uses this without `sweep submit`");
  EXPECT_EQ(told("run", {"--task", "1", "--at-once", "2"}),
            "2 command line: --at-once: nothing uses this when task = 1 (it needs no --task)");
  EXPECT_EQ(
      told("folder", {"--task", "1", "--format", "json"}),
      "2 command line: --format: nothing uses this without `sweep plan`, `sweep run` or `sweep status`");
  for (const std::string action : {"plan", "run", "status"}) {
    for (const std::string format : {"text", "json", "csv"})
      EXPECT_EQ(told(action, {"--format", format}), "");
  }
  EXPECT_EQ(told("run", {"--watch"}), "2 command line: --watch: nothing uses this without `sweep status`");
  EXPECT_EQ(told("status", {"--watch", "--format", "csv"}),
            "2 command line: --watch: nothing uses this when format = csv (it needs format = text or json)");
  EXPECT_EQ(
      told("status", {"--change"}),
      "2 command line: --change: nothing uses this without `sweep plan`, `sweep run` or `sweep submit`");
  EXPECT_EQ(told("run", {"--retry-diverged", "--task", "1"}), "");
  EXPECT_EQ(told("submit", {"--at-once", "2", "--sbatch-args", "--time=1 -C 'a b'"}), "");
  EXPECT_EQ(
      told("submit", {"--sbatch-args", "-C 'a b"}),
      "2 command line: --sbatch-args -C 'a b: expected words as a shell splits them, every quote closed");
}

TEST(SweepCommandLine, WatchMayStandAlone) {
  const auto wait = [](const std::vector<std::string>& words) {
    const CommandLine line = parse_command_line(words);
    EXPECT_EQ(line.arguments, std::vector<std::string>{"g.ini"});
    return line.own<SweepFlags>().watch;
  };
  EXPECT_EQ(wait({"sweep", "status", "g.ini"}), std::nullopt);
  EXPECT_EQ(wait({"sweep", "status", "g.ini", "--watch"}), 10);
  EXPECT_EQ(wait({"sweep", "status", "--watch", "g.ini"}), 10);
  EXPECT_EQ(wait({"sweep", "status", "--watch", "2.5", "g.ini"}), 2.5);
  EXPECT_EQ(wait({"sweep", "status", "--watch=3", "g.ini", "-n", "1"}), 3);
  EXPECT_EQ(wait({"sweep", "status", "g.ini", "--watch", "-n", "1"}), 10);
  EXPECT_EQ(refusal({"sweep", "status", "g.ini", "--watch=0"}),
            "2 command line: --watch 0: expected a number, > 0, <= 86400 seconds; 10 where none are given");
}

}  // namespace
}  // namespace vitrail::launcher
