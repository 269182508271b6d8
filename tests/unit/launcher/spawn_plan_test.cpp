#include "launcher/spawn_plan.hpp"

#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

// A launch of a run with eight lanes.
CommandLine launch(const std::vector<std::string>& words) {
  return parse_command_line(
      std::vector<std::string>{"launch", "--data.train", "a b", "--run.steps", "5", "--run.lanes", "8"} +
      words);
}

Environment slurm(std::int64_t nodes, std::optional<std::int64_t> cpus_per_task = {}) {
  Environment environment;
  environment.slurm.emplace();
  environment.slurm->id = "77";
  environment.slurm->nodes = nodes;
  environment.slurm->cpus_per_task = cpus_per_task;
  return environment;
}

// The words before the program, in one line.
std::string command(const SpawnPlan& plan) {
  const auto program = std::find(plan.words.begin(), plan.words.end(), "/opt/vitrail");
  return fmt::format("{}", fmt::join(plan.words.begin(), program, " "));
}

std::string by_mpirun(const std::vector<std::string>& words, unsigned processors, bool root = false) {
  return command(plan_spawn(launch(words), Environment(), "/opt/vitrail", processors, root));
}

std::string by_srun(const std::vector<std::string>& words, const Environment& environment,
                    unsigned processors = 4) {
  return command(plan_spawn(launch(words), environment, "/opt/vitrail", processors, false));
}

std::string refused(const std::vector<std::string>& words, const Environment& environment) {
  try {
    plan_spawn(launch(words), environment, "/opt/vitrail", 4, false);
  } catch (const Error& e) {
    return fmt::format("{} {}", static_cast<int>(e.code()), e.what());
  }
  return "";
}

TEST(SpawnPlan, RanksShareTheProcessorsOfThisHost) {
  EXPECT_EQ(by_mpirun({"-n", "2"}, 2),
            "mpirun -n 2 --use-hwthread-cpus --map-by slot:PE=1 --bind-to hwthread");
  EXPECT_EQ(by_mpirun({"-n", "2"}, 16),
            "mpirun -n 2 --use-hwthread-cpus --map-by slot:PE=8 --bind-to hwthread");
  EXPECT_EQ(by_mpirun({"-n", "3"}, 16),
            "mpirun -n 3 --use-hwthread-cpus --map-by slot:PE=5 --bind-to hwthread");
}

TEST(SpawnPlan, MoreRanksThanProcessorsAreNotBound) {
  EXPECT_EQ(by_mpirun({"-n", "4"}, 2), "mpirun -n 4 --oversubscribe --bind-to none");
  EXPECT_EQ(plan_spawn(launch({"-n", "4"}), Environment(), "p", 2, false).summary,
            "4 ranks by mpirun on this host, more than its 2 processors: not bound");
}

TEST(SpawnPlan, RootSaysSo) {
  EXPECT_EQ(by_mpirun({"-n", "4"}, 2, true),
            "mpirun -n 4 --allow-run-as-root --oversubscribe --bind-to none");
}

TEST(SpawnPlan, WithoutANumberThereAreAsManyRanksAsFit) {
  EXPECT_EQ(by_mpirun({}, 4).substr(0, 11), "mpirun -n 4");
  EXPECT_EQ(by_mpirun({"--run.threads", "3"}, 7).substr(0, 11), "mpirun -n 2");
  EXPECT_EQ(by_mpirun({"--run.threads", "16"}, 7).substr(0, 11), "mpirun -n 1");
  EXPECT_EQ(by_mpirun({}, 64).substr(0, 11), "mpirun -n 8") << "no rank without a lane";
  EXPECT_EQ(by_mpirun({"--gpus-per-node", "2"}, 64).substr(0, 11), "mpirun -n 2");
}

TEST(SpawnPlan, InASlurmJobSrunStartsThem) {
  EXPECT_EQ(by_srun({"-n", "8"}, slurm(2)), "srun --mpi=pmix --kill-on-bad-exit=1 --nodes=2 --ntasks=8");
  EXPECT_EQ(by_srun({"-n", "8"}, slurm(2, 6)),
            "srun --mpi=pmix --kill-on-bad-exit=1 --nodes=2 --ntasks=8 --cpus-per-task=6");
  EXPECT_EQ(by_srun({"-n", "2", "--nodes", "1"}, slurm(2)),
            "srun --mpi=pmix --kill-on-bad-exit=1 --nodes=1 --ntasks=2");
  EXPECT_EQ(by_srun({"--gpus-per-node", "4"}, slurm(2)),
            "srun --mpi=pmix --kill-on-bad-exit=1 --nodes=2 --ntasks=8");
  EXPECT_EQ(by_srun({}, slurm(2), 3), "srun --mpi=pmix --kill-on-bad-exit=1 --nodes=2 --ntasks=6");
  EXPECT_EQ(by_srun({}, slurm(4), 64), "srun --mpi=pmix --kill-on-bad-exit=1 --nodes=4 --ntasks=8");
  EXPECT_EQ(plan_spawn(launch({"-n", "8"}), slurm(2), "p", 4, false).summary, "8 ranks by srun on 2 nodes");
}

TEST(SpawnPlan, SrunArgumentsAreSplitAsAShellWould) {
  const SpawnPlan plan =
      plan_spawn(launch({"-n", "1", "--launch.srun_args", "--mem=2G --comment=\"two words\" -l"}), slurm(1),
                 "/opt/vitrail", 4, false);
  const std::vector<std::string> expected = {"--mem=2G", "--comment=two words", "-l", "/opt/vitrail"};
  const auto first = std::find(plan.words.begin(), plan.words.end(), "--mem=2G");
  ASSERT_GE(std::distance(first, plan.words.end()), 4);
  EXPECT_EQ(std::vector<std::string>(first, first + 4), expected);
}

TEST(SpawnPlan, MpirunInsideAJobWhenAsked) {
  EXPECT_EQ(by_srun({"-n", "2", "--launch.via", "mpirun"}, slurm(1), 2).substr(0, 11), "mpirun -n 2");
}

TEST(SpawnPlan, RanksAreGivenTheSettingsAndNotTheLaunching) {
  const SpawnPlan plan =
      plan_spawn(launch({"-n", "2", "--optimizer.lr=0.1"}), Environment(), "/opt/vitrail", 2, false);
  const auto program = std::find(plan.words.begin(), plan.words.end(), "/opt/vitrail");
  EXPECT_EQ(std::vector<std::string>(program, plan.words.end()),
            (std::vector<std::string>{"/opt/vitrail", "train", "--data.train", "a b", "--run.steps", "5",
                                      "--run.lanes", "8", "--optimizer.lr=0.1"}));
}

TEST(SpawnPlan, ContradictionsAreRefused) {
  EXPECT_EQ(refused({"--launch.via", "srun"}, Environment()),
            "78 launch.via = srun, but this is no Slurm job (SLURM_JOB_ID is not set)");
  EXPECT_EQ(refused({"--nodes", "2"}, Environment()),
            "78 --nodes 2: without Slurm, ranks start on this host only");
  EXPECT_THAT(refused({"--nodes", "2", "--launch.via", "mpirun"}, slurm(2)),
              testing::StartsWith("78 --nodes 2: "));
  EXPECT_EQ(refused({"--nodes", "1"}, Environment()), "");
}

}  // namespace
}  // namespace vitrail::launcher
