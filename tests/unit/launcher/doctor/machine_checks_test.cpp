#include <gmock/gmock.h>

#include "launcher/doctor/checks/machine.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::HasSubstr;

// Two ranks on each of two nodes that lack nothing.
Machines four() {
  Machines ranks;
  for (const char* host : {"n0", "n0", "n1", "n1"}) {
    MachineFacts& rank = ranks.emplace_back();
    rank.host = host;
    rank.programs = {{"HDF5", "1.10.8"}, {"MPI", "Open MPI v4.1.4"}, {"program file", "aa"}};
    rank.instructions = "AVX2";
    rank.mask = host[1] == '0' ? "0-3" : "4-7";
    rank.processors = 4;
    rank.shared_free = 1'000'000'000;
    rank.files_most = 1024;
    rank.locale = "LANG = C.UTF-8";
  }
  return ranks;
}

TEST(MachineChecks, NothingIsWrong) {
  const Machines ranks = four();
  Environment environment;
  environment.launcher = Launcher::slurm;
  EXPECT_EQ(check_tasks(ranks, environment).figure, "4 tasks by srun, joined to one world on 2 nodes");
  for (const Finding& finding :
       {check_tasks(ranks, environment), check_programs(ranks), check_instructions(ranks),
        check_processors(ranks, RankThreads{2, 2}), check_shared_memory(ranks), check_locked_memory(ranks),
        check_open_files(ranks, 100), check_locale(ranks), check_clocks(ranks)}) {
    EXPECT_EQ(finding.verdict, Verdict::ok) << finding.check << ": " << finding.figure;
    EXPECT_EQ(finding.remedy, "") << finding.check;
  }
  EXPECT_EQ(check_programs(ranks).figure, "HDF5 1.10.8, Open MPI v4.1.4: the same on all ranks");
}

TEST(MachineChecks, TasksAlone) {
  const Machines one(1);
  Environment environment;
  EXPECT_EQ(check_tasks(one, environment).verdict, Verdict::ok);
  environment.slurm.emplace().id = "7";
  environment.slurm->nodes = 2;
  EXPECT_EQ(check_tasks(one, environment).verdict, Verdict::unknown);
  EXPECT_THAT(check_tasks(one, environment).remedy, HasSubstr("vitrail launch --doctor"));
  const Finding unjoined =
      unjoined_tasks(Error(ExitCode::refused, "2 tasks were started by srun", "use pmix"));
  EXPECT_EQ(unjoined.verdict, Verdict::failed);
  EXPECT_EQ(unjoined.remedy, "use pmix");
}

TEST(MachineChecks, OneNodeDiffers) {
  Machines ranks = four();
  ranks[2].programs["MPI"] = "Open MPI v5.0.0";
  EXPECT_EQ(check_programs(ranks).verdict, Verdict::failed);
  EXPECT_THAT(check_programs(ranks).figure,
              HasSubstr("MPI is Open MPI v5.0.0 on rank 2 (n1), Open MPI v4.1.4 on 3 others"));
  ranks[3].instructions = "AVX512";
  EXPECT_EQ(check_instructions(ranks).verdict, Verdict::warning);
  EXPECT_EQ(check_instructions(ranks).figure, "AVX2 on n0, n1; AVX512 on n1");
}

TEST(MachineChecks, ProcessorsThatAreTooFew) {
  const Machines ranks = four();
  const Finding finding = check_processors(ranks, RankThreads{3, 1});
  EXPECT_EQ(finding.verdict, Verdict::warning);
  EXPECT_THAT(finding.figure, HasSubstr("6 compute threads (2 ranks x run.threads = 3) for 4 processors"));
  EXPECT_EQ(check_processors(ranks, std::nullopt).verdict, Verdict::ok);
}

TEST(MachineChecks, SharedMemory) {
  Machines ranks = four();
  ranks[3].shared_free = 31'000'000;  // 16 MB for each of two
  EXPECT_EQ(check_shared_memory(ranks).verdict, Verdict::warning);
  EXPECT_THAT(check_shared_memory(ranks).figure, HasSubstr("31.0 MB free where it is least (n1)"));
  ranks[3].shared_free = 33'000'000;
  EXPECT_EQ(check_shared_memory(ranks).verdict, Verdict::ok);
  ranks[0].shared_free.reset();
  EXPECT_THAT(check_shared_memory(ranks).figure, HasSubstr("not there on n0"));
}

TEST(MachineChecks, LimitsCountWhereSomethingNeedsThem) {
  Machines ranks = four();
  ranks[1].locked_most = 65536;
  EXPECT_EQ(check_locked_memory(ranks).verdict, Verdict::ok);
  ranks[1].infiniband = true;
  EXPECT_EQ(check_locked_memory(ranks).verdict, Verdict::warning);
  EXPECT_THAT(check_locked_memory(ranks).figure, HasSubstr("at most 65.5 kB on n0"));
  ranks[2].files_most = 200;
  EXPECT_EQ(check_open_files(ranks, 0).verdict, Verdict::ok);
  EXPECT_EQ(check_open_files(ranks, 640).verdict, Verdict::warning);
  EXPECT_THAT(check_open_files(ranks, 640).remedy, HasSubstr("ulimit -n 4096"));
}

TEST(MachineChecks, LocaleAndClocks) {
  Machines ranks = four();
  ranks[2].locale_known = ranks[3].locale_known = false;
  EXPECT_EQ(check_locale(ranks).verdict, Verdict::warning);
  EXPECT_EQ(check_locale(ranks).figure, "LANG = C.UTF-8, which is not installed on n1");
  ranks[3].clock_ahead_s = -0.4;
  EXPECT_EQ(check_clocks(ranks).verdict, Verdict::ok);
  ranks[3].clock_ahead_s = -5;
  EXPECT_EQ(check_clocks(ranks).verdict, Verdict::warning);
  EXPECT_EQ(check_clocks(ranks).figure, "n1 is 5 s behind n0");
  ranks[2].clock_ahead_s = 3600;
  EXPECT_EQ(check_clocks(ranks).verdict, Verdict::failed);
  EXPECT_EQ(check_clocks(ranks).figure, "n1 is 60 min ahead of n0");
  EXPECT_EQ(check_clocks(Machines(1)).verdict, Verdict::unknown);
}

}  // namespace
}  // namespace vitrail::launcher
