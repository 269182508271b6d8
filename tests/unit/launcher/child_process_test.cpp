#include "launcher/child_process.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

// Runs a shell script as the child; what was said meanwhile goes to `said`.
int run_script(const std::string& script, std::vector<std::string>* said = nullptr) {
  return run_child({"sh", "-c", script},
                   [&](const std::string& text) {
                     if (said != nullptr) said->push_back(text);
                   })
      .status;
}

TEST(ChildProcess, ItsExitStatusIsOurs) {
  for (const int status : {0, 1, 2, 65, 85, 255})
    EXPECT_EQ(run_script("exit " + std::to_string(status)), status);
}

TEST(ChildProcess, ASignalThatEndsItIsToldAsAShellWould) {
  EXPECT_EQ(run_script("kill -9 $$"), 128 + SIGKILL);
  EXPECT_EQ(run_script("kill -TERM $$; sleep 5"), 128 + SIGTERM) << "the child has our signals unblocked";
}

TEST(ChildProcess, WordsReachItAsTheyAre) {
  EXPECT_EQ(run_child({"sh", "-c", "[ \"$1\" = \"a b\" ] && [ \"$2\" = '$x' ] && [ $# = 2 ] && exit 7", "sh",
                       "a b", "$x"},
                      [](const std::string&) {})
                .status,
            7);
}

TEST(ChildProcess,
     HasAProcessGroupOfItsOwn) {  // else a Ctrl-C would reach the ranks before we could ask them
  EXPECT_EQ(run_script("read -r _ _ _ _ group _ < /proc/$$/stat; [ $group = $$ ] && exit 7"), 7);
}

TEST(ChildProcess, TellsWhetherItWasAskedToStop) {
  const auto end_of = [](const char* script) {
    return run_child({"sh", "-c", script}, [](const std::string&) {});
  };
  EXPECT_FALSE(end_of("exit 3").asked_to_stop);
  const ChildEnd end = end_of("kill -TERM $PPID; sleep 5 & wait");  // has no handler yet
  EXPECT_TRUE(end.asked_to_stop);
  EXPECT_EQ(end.status, 128 + SIGUSR1);
}

// The child asks its parent, once it is ready for what will come of it.
TEST(ChildProcess, WhatIsAskedOfUsReachesItAsUsr1) {
  for (const char* signal : {"USR1", "TERM", "INT"}) {
    std::vector<std::string> said;
    EXPECT_EQ(run_script(std::string("trap 'exit 85' USR1; kill -") + signal +
                             " $PPID; while :; do sleep 0.02; done",
                         &said),
              85);
    EXPECT_EQ(said,
              std::vector<std::string>{"asked to stop: the ranks save after this step (exit status 85)"});
  }
}

TEST(ChildProcess, ASecondInterruptEndsItByTerm) {
  std::vector<std::string> said;
  EXPECT_EQ(
      run_script(
          "trap 'exit 15' TERM; trap 'kill -INT $PPID' USR1; kill -INT $PPID; while :; do sleep 0.02; done",
          &said),
      15);
  EXPECT_EQ(said.size(), 2U);
  EXPECT_EQ(said.back(), "asked again: ending the ranks now");
}

TEST(ChildProcess, AProgramThatDoesNotExistIsAnError) {
  try {
    run_child({"/nowhere/mpirun", "-n", "2"}, [](const std::string&) {});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_STREQ(e.what(), "cannot start: /nowhere/mpirun: No such file or directory");
  }
}

// Whoever started us may have chosen to forget its children; we need to hear of ours.
TEST(ChildProcess, WorksWhereSigchldWasIgnored) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run_script("exit 7"), 7);
  std::signal(SIGCHLD, before);
}

}  // namespace
}  // namespace vitrail::launcher
