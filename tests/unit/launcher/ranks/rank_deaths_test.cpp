#include "launcher/ranks/rank_deaths.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace vitrail::launcher {
namespace {

const std::string kBorder(74, '-');

std::string filtered(const std::string& text, std::size_t piece) {
  std::string out;
  StderrFilter filter([&](const std::string& part) { out += part; });
  for (std::size_t i = 0; i < text.size(); i += piece) filter.take(text.substr(i, piece));
  filter.end();
  return out;
}

TEST(RankDeaths, SrunAndMpirunNameRankAndNode) {
  const auto killed = rank_death("srun: error: n1: task 3: Killed");
  ASSERT_TRUE(killed);
  EXPECT_EQ(killed->ranks, "3");
  EXPECT_EQ(killed->node, "n1");
  EXPECT_EQ(killed->how, "Killed");
  const auto memory = rank_death("srun: error: gpu-07: tasks 4-5,7: Out Of Memory");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->ranks, "4-5,7");
  EXPECT_EQ(memory->how, "Out Of Memory");
  const auto local = rank_death(
      "mpirun noticed that process rank 1 with PID 4711 on node node17 exited on signal 9 (Killed).");
  ASSERT_TRUE(local);
  EXPECT_EQ(local->ranks, "1");
  EXPECT_EQ(local->node, "node17");
}

// The ranks and ways of those that died, one after another.
std::string deaths(const std::string& text) {
  StderrFilter filter([](const std::string&) {});
  filter.take(text);
  std::string found;
  for (const RankDeath& death : filter.deaths())
    found += fmt::format("{}@{}: {};", death.ranks, death.node, death.how);
  return found;
}

TEST(RankDeaths, AStatusOfOursIsNoDeathAndExplainsTheOthers) {
  EXPECT_FALSE(rank_death("rank 1 was Killed"));
  EXPECT_EQ(deaths("srun: error: n0: task 0: Exited with exit code 85\n"), "");
  EXPECT_EQ(deaths("srun: error: n1: task 1: Exited with exit code 78\n"
                   "srun: launch/slurm: _step_signal: Terminating StepId=7.2\n"
                   "srun: error: n0: task 0: Terminated\n"),
            "");
}

TEST(RankDeaths, TheCulpritIsNamedAndNotWhatSrunEndedAfterIt) {
  EXPECT_EQ(deaths("srun: error: n1: task 1: Exited with exit code 127\n"
                   "srun: launch/slurm: _step_signal: Terminating StepId=7.2\n"
                   "srun: error: n0: task 0: Terminated\n"),
            "1@n1: Exited with exit code 127;");
  EXPECT_EQ(deaths("srun: error: n1: task 1: Killed\n"
                   "srun: Terminating StepId=7.2\n"
                   "srun: error: n0: task 0: Killed\n"),
            "1@n1: Killed;");
  EXPECT_EQ(
      deaths(
          "srun: error: task 1 launch failed: Unspecified error\n"
          "srun: launch/slurm: launch_p_step_launch: StepId=10.2 aborted before step completely launched.\n"
          "srun: Job step aborted: Waiting up to 62 seconds for job step to finish.\n"
          "srun: error: n0: task 0: Killed\n"),
      "1@: Unspecified error;");
  // Of a step that somebody else ended, all.
  EXPECT_EQ(deaths("srun: Job step aborted: Waiting up to 62 seconds for job step to finish.\n"
                   "srun: error: n0: task 0: Killed\n"),
            "0@n0: Killed;");
}

TEST(RankDeaths, BoxesAboutRanksAreSwallowedHoweverTheyArrive) {
  const std::string box =
      kBorder + "\nmpirun noticed that process rank 1 with PID 7 on node n exited on signal 9 (Killed).\n" +
      kBorder + "\n";
  const std::string other =
      kBorder + "\nNo network interfaces were found for out-of-band communications.\n" + kBorder + "\n";
  for (const std::size_t piece : {1U, 7U, 4096U}) {
    EXPECT_EQ(filtered(fmt::format("one\n{}two\n{}three", box, other), piece),
              fmt::format("one\ntwo\n{}three", other));
  }
}

TEST(RankDeaths, RanksThatStoppedAsAskedAreNoNoise) {
  EXPECT_EQ(filtered("srun: error: n0: task 0: Exited with exit code 85\n"
                     "srun: launch/slurm: _step_signal: Terminating StepId=7.2\n"
                     "srun: error: n1: task 1: Exited with exit code 74\n",
                     9),
            "srun: error: n1: task 1: Exited with exit code 74\n");
  EXPECT_EQ(filtered("mpirun: Forwarding signal 10 to job\nstopped on request\n", 8), "stopped on request\n");
}

TEST(RankDeaths, ABoxThatNeverEndsIsNotLost) {
  EXPECT_EQ(filtered(kBorder + "\nhalf a box\n", 5), kBorder + "\nhalf a box\n");
  std::string many = kBorder + "\n";
  for (int i = 0; i < 40; ++i) many += "line\n";
  EXPECT_EQ(filtered(many, 11), many);
}

TEST(RankDeaths, ARedrawnLineIsPassedOnAtOnce) {
  std::string out;
  StderrFilter filter([&](const std::string& part) { out += part; });
  filter.take("12 of 40\r");
  EXPECT_EQ(out, "12 of 40\r");
}

}  // namespace
}  // namespace vitrail::launcher
