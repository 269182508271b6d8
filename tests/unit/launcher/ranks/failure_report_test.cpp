#include "launcher/ranks/failure_report.hpp"

#include <gtest/gtest.h>

namespace vitrail::launcher {
namespace {

using sharding::Failure;
using sharding::Settlement;

std::vector<std::string> node17(std::size_t ranks) { return std::vector<std::string>(ranks, "node17"); }

TEST(FailureReport, AWorldOfOne) {
  const Settlement settlement{
      ExitCode::io,
      {{0, Failure{ExitCode::io, "saving after step 20: cannot write: a: No space", "free some"}}},
      {}};
  EXPECT_EQ(failure_report("training", settlement, node17(1), 0, "last checkpoint: step-00000010"),
            "vitrail: training stopped: saving after step 20: cannot write: a: No space\n"
            "  hint: free some\n"
            "last checkpoint: step-00000010\n"
            "exit status 74 (input/output)\n");
}

TEST(FailureReport, OneRankOfMany) {
  const Settlement settlement{
      ExitCode::bad_data,
      {{3, Failure{ExitCode::bad_data, "step 8 (epoch 0): shard a: record 7: bad CRC", ""}}},
      {}};
  EXPECT_EQ(failure_report("training", settlement, node17(8), 0, ""),
            "vitrail: training stopped: 1 of 8 ranks failed\n"
            "  rank 3: step 8 (epoch 0): shard a: record 7: bad CRC\n"
            "exit status 65 (bad data)\n");
}

TEST(FailureReport, RanksWithTheSameWordsShareALineAndHintsAreSaidOnce) {
  const Failure full{ExitCode::io, "no space", "free some"}, torn{ExitCode::bad_data, "bad CRC", "free some"};
  const Settlement settlement{ExitCode::io, {{0, full}, {1, torn}, {2, full}, {3, full}}, {}};
  EXPECT_EQ(failure_report("packing", settlement, node17(5), 0, ""),
            "vitrail: packing stopped: 4 of 5 ranks failed\n"
            "  ranks 0, 2, 3: no space\n"
            "  rank 1: bad CRC\n"
            "  hint: free some\n"
            "exit status 74 (input/output)\n");
}

TEST(FailureReport, AllRanksAndTheirHints) {
  const Settlement settlement{
      ExitCode::refused,
      {{0, Failure{ExitCode::refused, "no", "b"}}, {1, Failure{ExitCode::refused, "no", "a"}}},
      {}};
  EXPECT_EQ(failure_report("evaluation", settlement, node17(2), 0, ""),
            "vitrail: evaluation stopped: 2 of 2 ranks failed\n"
            "  all ranks: no\n"
            "  hint: a\n"
            "  hint: b\n"
            "exit status 78 (invalid configuration)\n");
}

TEST(FailureReport, RanksThatDoNotAnswerAreNamedAndLastCallsShown) {
  const Settlement settlement{
      ExitCode::crash, {{1, Failure{ExitCode::crash, "out of memory", "", "#1 a\n#2 b"}}}, {2, 3}};
  EXPECT_EQ(failure_report("training", settlement, {"node17", "node17", "node18", "node18"}, 0,
                           "no checkpoint was written yet"),
            "vitrail: training stopped: 1 of 4 ranks failed\n"
            "  rank 1: out of memory\n"
            "    last calls of rank 1:\n"
            "      #1 a\n"
            "      #2 b\n"
            "  ranks 2, 3 on node18 stopped responding (says node17); the launcher ends it\n"
            "no checkpoint was written yet\n"
            "exit status 1 (crash)\n");
}

TEST(FailureReport, TheSilentRankComesBeforeThoseThatWaitedForIt) {
  const Settlement settlement{
      ExitCode::watchdog, {{0, Failure{ExitCode::watchdog, "waited 55 s in exchange", "", ""}}}, {1}};
  EXPECT_EQ(failure_report("training", settlement, {"node17", "node18"}, 0, ""),
            "vitrail: training stopped: 1 of 2 ranks failed\n"
            "  rank 1 on node18 stopped responding (says node17); the launcher ends it\n"
            "  rank 0: waited 55 s in exchange\n"
            "exit status 86 (a rank hung or timed out)\n");
}

TEST(FailureReport, EveryExitCodeHasAMeaning) {
  for (const ExitCode code :
       {ExitCode::done, ExitCode::crash, ExitCode::usage, ExitCode::bad_data, ExitCode::io, ExitCode::refused,
        ExitCode::saved, ExitCode::watchdog, ExitCode::diverged}) {
    EXPECT_STRNE(meaning_of(code), "unknown") << static_cast<int>(code);
  }
  EXPECT_STREQ(meaning_of(static_cast<ExitCode>(137)), "unknown");
}

}  // namespace
}  // namespace vitrail::launcher
