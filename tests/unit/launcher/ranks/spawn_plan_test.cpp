#include "launcher/ranks/spawn_plan.hpp"

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

LaunchConfig how(const CommandLine& line) {
  const auto number = [&](const std::string& key) {
    const std::string text = value(line, key);
    return text.empty() ? std::nullopt : std::optional(std::stoll(text));
  };
  const std::string via = value(line, "launch.via");
  return {.via = via == "srun"     ? Via::srun
                 : via == "mpirun" ? Via::mpirun
                                   : Via::automatic,
          .mpi = value(line, "launch.mpi"),
          .srun_args = value(line, "launch.srun_args"),
          .ranks = number("ranks"),
          .nodes = number("nodes"),
          .gpus_per_node = number("gpus-per-node")};
}

SpawnPlan plan_of(const std::vector<std::string>& words, const Environment& environment,
                  const std::string& program, const Processors& processors, bool root) {
  const CommandLine line = launch(words);
  return plan_spawn({how(line), line.config, line.passed_on}, environment, program, processors, root);
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

Processors all_of(int count) { return {count, count, {}, ""}; }

std::string by_mpirun(const std::vector<std::string>& words, int processors, bool root = false) {
  return command(plan_of(words, Environment(), "/opt/vitrail", all_of(processors), root));
}

std::string by_srun(const std::vector<std::string>& words, const Environment& environment,
                    int processors = 4) {
  return command(plan_of(words, environment, "/opt/vitrail", all_of(processors), false));
}

std::string refused(const std::vector<std::string>& words, const Environment& environment) {
  try {
    plan_of(words, environment, "/opt/vitrail", all_of(4), false);
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

TEST(SpawnPlan, TheSummaryCountsAsPeopleDo) {
  const auto summary = [](const std::string& ranks) {
    return plan_of({"-n", ranks}, Environment(), "p", all_of(2), false).summary;
  };
  EXPECT_EQ(summary("1"), "1 rank by mpirun on this host, bound to 2 processors");
  EXPECT_EQ(summary("2"), "2 ranks by mpirun on this host, bound to 1 processor each");
}

TEST(SpawnPlan, MoreRanksThanProcessorsAreNotBound) {
  EXPECT_EQ(by_mpirun({"-n", "4"}, 2), "mpirun -n 4 --oversubscribe --bind-to none");
  EXPECT_EQ(plan_of({"-n", "4"}, Environment(), "p", all_of(2), false).summary,
            "4 ranks by mpirun on this host, more than its 2 processors: not bound");
}

// mpirun would bind ranks outside of a mask that it does not know of.
TEST(SpawnPlan, RanksInheritAMaskAndShareAQuota) {
  const auto plan = [](const Processors& processors) {
    return plan_of({"-n", "2"}, Environment(), "/opt/vitrail", processors, false);
  };
  const SpawnPlan masked = plan({4, 64, {}, "0-3"});
  EXPECT_EQ(command(masked), "mpirun -n 2 --oversubscribe --bind-to none");
  EXPECT_EQ(masked.summary, "2 ranks by mpirun on this host, sharing 4 of its 64 processors: not bound");
  const SpawnPlan shared = plan({8, 8, 3.5, "0-7"});
  EXPECT_EQ(command(shared), "mpirun -n 2 --oversubscribe --bind-to none");
  EXPECT_EQ(shared.summary, "2 ranks by mpirun on this host, sharing 3 of its 8 processors: not bound");
  const auto as_fit = plan_of({"--run.threads", "2"}, Environment(), "p", {8, 64, 6.0, "0-7"}, false);
  EXPECT_EQ(command(as_fit).substr(0, 11), "mpirun -n 3");
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
  EXPECT_EQ(by_srun({"-n", "8"}, slurm(2)),
            "srun --mpi=pmix --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=2 --ntasks=8");
  EXPECT_EQ(
      by_srun({"-n", "8"}, slurm(2, 6)),
      "srun --mpi=pmix --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=2 --ntasks=8 --cpus-per-task=6");
  EXPECT_EQ(by_srun({"-n", "2", "--nodes", "1"}, slurm(2)),
            "srun --mpi=pmix --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=1 --ntasks=2");
  EXPECT_EQ(by_srun({"--gpus-per-node", "4"}, slurm(2)),
            "srun --mpi=pmix --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=2 --ntasks=8");
  EXPECT_EQ(by_srun({}, slurm(2), 3),
            "srun --mpi=pmix --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=2 --ntasks=6");
  EXPECT_EQ(by_srun({}, slurm(4), 64),
            "srun --mpi=pmix --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=4 --ntasks=8");
  EXPECT_EQ(plan_of({"-n", "8"}, slurm(2), "p", all_of(4), false).summary, "8 ranks by srun on 2 nodes");
}

TEST(SpawnPlan, HowSrunJoinsRanksIsTheSites) {
  EXPECT_EQ(by_srun({"-n", "2", "--launch.mpi", "pmix_v4"}, slurm(1)),
            "srun --mpi=pmix_v4 --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=1 --ntasks=2");
  EXPECT_EQ(by_srun({"-n", "2", "--launch.mpi", ""}, slurm(1)),
            "srun --export=ALL --kill-on-bad-exit=1 --wait=120 --nodes=1 --ntasks=2");
}

TEST(SpawnPlan, APartOfAJobIsNone) {
  Environment part;
  part.no_job = "SLURM_NNODES";
  EXPECT_EQ(by_srun({"-n", "2"}, part, 2),
            "mpirun -n 2 --mca ras ^slurm --use-hwthread-cpus --map-by slot:PE=1 --bind-to hwthread");
  EXPECT_EQ(refused({"--launch.via", "srun"}, part),
            "78 launch.via = srun, but this is only a part of a Slurm job: its id is set, SLURM_NNODES is "
            "missing or no number");
}

TEST(SpawnPlan, MpirunDoesNotSurviveALongHostName) {
  Environment environment;
  environment.host = std::string(56, 'h') + ".example";
  EXPECT_EQ(refused({"-n", "2"}, environment), "");
  environment.host = std::string(57, 'h');
  EXPECT_THAT(
      refused({"-n", "2"}, environment),
      testing::AllOf(testing::StartsWith("78 "), testing::HasSubstr(environment.host + ", has 57 letters"),
                     testing::HasSubstr("crashes on more than 56")));
  Environment job = slurm(1);
  job.host = environment.host;
  EXPECT_EQ(refused({"-n", "2"}, job), "") << "srun does";
}

TEST(SpawnPlan, LaunchIsStartedOnce) {
  Environment rank;
  rank.launcher = Launcher::open_mpi;
  rank.world = 2;
  EXPECT_EQ(refused({"-n", "2"}, rank),
            "78 vitrail launch starts the ranks itself, but this is one of 2 that were started together");
  Environment task = slurm(2);
  task.unjoined = {4, 1, "srun --mpi=none"};
  EXPECT_THAT(refused({"-n", "2"}, task), testing::HasSubstr("one of 4"));
}

TEST(SpawnPlan, SrunArgumentsAreSplitAsAShellWould) {
  const SpawnPlan plan = plan_of({"-n", "1", "--launch.srun_args", "--mem=2G --comment=\"two words\" -l"},
                                 slurm(1), "/opt/vitrail", all_of(4), false);
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
      plan_of({"-n", "2", "--optimizer.lr=0.1"}, Environment(), "/opt/vitrail", all_of(2), false);
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
