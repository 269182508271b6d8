#include "trainer/checkpoint/run_directory.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

class RunDirectoryTest : public testing::Test {
 protected:
  RunDirectoryTest() { fs::create_directories(dir_); }
  ~RunDirectoryTest() override { fs::remove_all(dir_); }
  const fs::path dir_ = fs::path(testing::TempDir()) / fmt::format("vitrail_run_directory_{}", ::getpid());
};

TEST_F(RunDirectoryTest, LivesUnderRunsUnlessToldOtherwise) {
  RunConfig config;
  config.name = "a";
  EXPECT_EQ(run_directory(config).root, "runs/a");
  config.dir = "/scratch/b";
  const RunDirectory directory = run_directory(config);
  EXPECT_EQ(directory.config(), "/scratch/b/config.cfg");
  EXPECT_EQ(directory.metrics(), "/scratch/b/metrics.jsonl");
  EXPECT_EQ(directory.log(), "/scratch/b/log.txt");
  EXPECT_EQ(directory.checkpoints(), "/scratch/b/checkpoints");
}

TEST_F(RunDirectoryTest, PreparingMakesTheFoldersAndLeavesNothingElse) {
  const RunDirectory directory{dir_ / "deep" / "run"};
  prepare(directory);
  prepare(directory);
  EXPECT_TRUE(fs::is_directory(directory.checkpoints()));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.root), fs::directory_iterator()), 1);
}

std::pair<std::string, std::string> refusal(const RunDirectory& directory) {
  try {
    prepare(directory);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    return {e.what(), e.hint()};
  }
  return {};
}

TEST_F(RunDirectoryTest, WhatCannotBeWrittenIsToldBeforeTheRunBegins) {
  std::ofstream(dir_ / "file") << "x";
  const auto [under_a_file, hint] = refusal({dir_ / "file" / "run"});
  EXPECT_THAT(under_a_file, testing::StartsWith("the run cannot write its folder: cannot create folder: "));
  EXPECT_THAT(under_a_file, testing::HasSubstr((dir_ / "file" / "run" / "checkpoints").string()));
  EXPECT_EQ(hint, "set run.dir to a folder that you may write to");

  const auto [read_only, unused] = refusal({"/proc/vitrail"});
  EXPECT_THAT(read_only, testing::HasSubstr("/proc/vitrail"));

  fs::create_directories(dir_ / "run" / ".writable.tmp");  // the probe's place is taken
  EXPECT_THAT(refusal({dir_ / "run"}).first, testing::HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace vitrail::trainer
