#include <gtest/gtest.h>

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
  for (const std::string action : {"plan", "run", "status"})
    EXPECT_EQ(told(action, {"--format", "json"}), "");
  EXPECT_EQ(told("submit", {"--at-once", "2", "--sbatch-args", "--time=1 -C 'a b'"}), "");
  EXPECT_EQ(
      told("submit", {"--sbatch-args", "-C 'a b"}),
      "2 command line: --sbatch-args -C 'a b: expected words as a shell splits them, every quote closed");
}

}  // namespace
}  // namespace vitrail::launcher
