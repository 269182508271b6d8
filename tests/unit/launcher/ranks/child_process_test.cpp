#include "launcher/ranks/child_process.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include "tests/unit/launcher/parsing.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

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

TEST(ChildProcess, OneThatDiesOfTheRequestHasNothingToSave) {
  const auto end_of = [](const char* script) {
    return run_child({"sh", "-c", script}, [](const std::string&) {});
  };
  EXPECT_FALSE(end_of("exit 3").stopped_early);
  const ChildEnd end = end_of("kill -TERM $PPID; sleep 5 & wait");  // has no handler yet
  EXPECT_TRUE(end.stopped_early);
  EXPECT_EQ(end.status, 85);
}

// The child asks its parent, once it is ready for what will come of it.
TEST(ChildProcess, WhatIsAskedOfUsReachesItAsUsr1) {
  // Also where this test was started by nohup, or in the background of a shell.
  for (const int signal : {SIGHUP, SIGINT}) std::signal(signal, SIG_DFL);
  for (const char* signal : {"USR1", "TERM", "HUP", "INT"}) {
    std::vector<std::string> said;
    EXPECT_EQ(run_script(std::string("trap 'exit 85' USR1; kill -") + signal +
                             " $PPID; while :; do sleep 0.02; done",
                         &said),
              85);
    EXPECT_EQ(said,
              std::vector<std::string>{"asked to stop: the ranks save after this step (exit status 85)"});
  }
}

// Under nohup a closed terminal means nothing; USR1 shows that the child was not asked before.
TEST(ChildProcess, AHangupThatIsIgnoredIsNoRequest) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  const auto end = run_child({"sh", "-c", "kill -HUP $PPID; sleep 0.2; exit 7"}, [](const std::string&) {});
  std::signal(SIGHUP, before);
  EXPECT_EQ(end.status, 7);
  EXPECT_FALSE(end.stopped_early);
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

// Each job is a script; what they print goes to one file. Returns what was said of them, in order.
struct Ended {
  std::vector<std::pair<std::size_t, int>> jobs;
  bool asked = false;
  std::string printed;
};

Ended run_scripts(std::size_t at_once, const std::vector<std::string>& scripts) {
  const std::filesystem::path output = config_file("", "output");
  Ended ended;
  std::size_t started = 0;
  ended.asked = run_children(
      at_once,
      [&]() -> std::optional<ChildJob> {
        if (started == scripts.size()) return std::nullopt;
        return ChildJob{{"sh", "-c", scripts[started++]}, output};
      },
      [&](std::size_t job, int status) { ended.jobs.emplace_back(job, status); }, [](const std::string&) {});
  ended.printed = read_text(output);
  return ended;
}

TEST(ChildProcesses, AsManyAtOnceAsAsked) {
  using Jobs = std::vector<std::pair<std::size_t, int>>;
  EXPECT_EQ(run_scripts(1, {"exit 3", "exit 4", "exit 5"}).jobs, (Jobs{{0, 3}, {1, 4}, {2, 5}}));
  // The first ends when the second has begun.
  const std::string flag = config_file("", "flag");
  const std::string wait = "while [ ! -s " + flag + " ]; do sleep 0.01; done; exit 7";
  EXPECT_EQ(run_scripts(2, {wait, "echo x > " + flag + "; exit 8", "exit 9"}).jobs.size(), 3U);
  EXPECT_TRUE(run_scripts(5, {}).jobs.empty());
}

TEST(ChildProcesses, WhatTheyPrintIsAppendedToTheirFile) {
  EXPECT_EQ(run_scripts(1, {"echo one", "echo two >&2", "exit 0"}).printed, "one\ntwo\n");
}

TEST(ChildProcesses, ARequestReachesAllAndNoneIsStartedAfterIt) {
  const std::string flag = config_file("", "ready");
  const std::string patient = "trap 'exit 85' USR1; echo x >> " + flag + "; while :; do sleep 0.02; done";
  const std::string asks = "trap 'exit 85' USR1; while [ $(wc -l < " + flag +
                           ") != 2 ]; do sleep 0.01; done; kill -TERM $PPID; while :; do sleep 0.02; done";
  const Ended ended = run_scripts(3, {patient, patient, asks, "exit 1"});
  EXPECT_TRUE(ended.asked);
  ASSERT_EQ(ended.jobs.size(), 3U);
  for (const auto& [job, status] : ended.jobs) EXPECT_EQ(status, 85) << job;
}

// Whoever started us may have chosen to forget its children; we need to hear of ours.
TEST(ChildProcess, WorksWhereSigchldWasIgnored) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run_script("exit 7"), 7);
  std::signal(SIGCHLD, before);
}

}  // namespace
}  // namespace vitrail::launcher
