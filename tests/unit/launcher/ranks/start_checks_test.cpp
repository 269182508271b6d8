#include "launcher/ranks/start_checks.hpp"

#include <filesystem>
#include <functional>

#include <gmock/gmock.h>

#include "launcher/ranks/session_folder.hpp"

namespace vitrail::launcher {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// Code, message and hint; empty where nothing is refused.
std::string complaint_of(const std::function<void()>& check) {
  try {
    check();
  } catch (const Error& e) {
    return fmt::format("{} {}; {}", static_cast<int>(e.code()), e.what(), e.hint());
  }
  return "";
}

TEST(StartChecks, TasksThatAreNotJoinedAreRefused) {
  Environment environment;
  EXPECT_EQ(complaint_of([&] { check_joined(environment); }), "");
  environment.unjoined = {2, 1, "srun --mpi=pmi2"};
  EXPECT_THAT(complaint_of([&] { check_joined(environment); }),
              AllOf(StartsWith("78 2 tasks were started by srun --mpi=pmi2"), HasSubstr("srun --mpi=pmix"),
                    HasSubstr("launch.mpi"), HasSubstr("slurm/site.sh")));
}

TEST(StartChecks, WhatOneProcessDoesIsNotStartedSeveralTimes) {
  Environment environment;
  EXPECT_EQ(complaint_of([&] { check_alone(environment, "export"); }), "");
  environment.world = 4;
  EXPECT_EXIT(check_alone(environment, "export"), testing::ExitedWithCode(78),
              "`vitrail export` runs as one process, but 4 were started together\n  hint: start it once");
  environment.world = 1;
  environment.unjoined = {2, 0, "srun --mpi=pmi2"};
  EXPECT_EXIT(check_alone(environment, "report"), testing::ExitedWithCode(78), "2 were started together");
}

TEST(StartChecks, TheWorldIsAsLargeAsTheLauncherSaid) {
  Environment environment;
  environment.launcher = Launcher::slurm;
  environment.rank = 1;
  environment.world = 2;
  EXPECT_EQ(complaint_of([&] { check_world(environment, 1, 2); }), "");
  EXPECT_THAT(complaint_of([&] { check_world(environment, 0, 1); }),
              AllOf(StartsWith("78 task 1 of 2 by the launcher's word, but rank 0 of 1 by MPI's"),
                    HasSubstr("launch.mpi")));
  environment.launcher = Launcher::open_mpi;
  EXPECT_THAT(complaint_of([&] { check_world(environment, 1, 3); }), HasSubstr("unset the variables OMPI_*"));
}

TEST(StartChecks, AFolderForTemporaryFilesIsNeeded) {
  const std::filesystem::path good = testing::TempDir();
  EXPECT_THAT(complaint_of([&] {
                const SessionFolder session({(good / "none").string(), "TMPDIR"});
              }),
              AllOf(StartsWith("74 TMPDIR (temporary files): "), HasSubstr("none: No such file or directory"),
                    HasSubstr("set TMPDIR")));
  EXPECT_THAT(complaint_of([&] {
                const SessionFolder session({"/proc", ""});
              }),
              StartsWith("74 temporary files: /proc: "));
  EXPECT_FALSE(std::filesystem::exists(good / "none")) << "it is not made in silence";
}

TEST(SessionFolder, IsNobodyElsesAndGoesWithWhatIsInIt) {
  const TemporaryFolder in{testing::TempDir(), "TMPDIR"};
  std::filesystem::path gone;
  {
    const SessionFolder one(in), other(in);
    EXPECT_NE(one.path(), other.path());
    EXPECT_TRUE(std::filesystem::is_directory(other.path()));
    gone = one.path();
    std::filesystem::create_directories(gone / "ompi.host.0" / "pid.1");
  }
  EXPECT_FALSE(std::filesystem::exists(gone));
}

// What speaks, and how it ends.
TEST(StartChecks, OneOfThoseThatFailReportsIt) {
  Environment environment;
  environment.host = "n3";
  environment.unjoined = {2, 0, "srun"};
  const Error error(ExitCode::refused, "nobody joined them", "pmix");
  EXPECT_EXIT(end_before_world(environment, error, false), testing::ExitedWithCode(78),
              "^vitrail: nobody joined them\n  hint: pmix\n$");
  environment.unjoined.number = 1;
  EXPECT_EXIT(end_before_world(environment, error, false), testing::ExitedWithCode(78), "^$");
  environment.unjoined = {};
  environment.rank = environment.world = 3;
  EXPECT_EXIT(end_before_world(environment, error, true), testing::ExitedWithCode(78),
              "^vitrail: n3: nobody joined them\n");
  environment.local_rank = 1;
  EXPECT_EXIT(end_before_world(environment, error, true), testing::ExitedWithCode(78), "^$");
}

}  // namespace
}  // namespace vitrail::launcher
