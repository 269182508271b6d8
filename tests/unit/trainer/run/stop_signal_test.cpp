#include "trainer/run/stop_signal.hpp"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vitrail::trainer {
namespace {

class StopSignalTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Signals, StopSignalTest, testing::Values(SIGUSR1, SIGTERM, SIGHUP));

TEST_P(StopSignalTest, IsAskedForAndStays) {
  StopSignal stop;
  EXPECT_FALSE(stop.received());
  std::raise(GetParam());
  EXPECT_TRUE(stop.received());
  EXPECT_TRUE(stop.received());
}

TEST_P(StopSignalTest, ReachesThreadsThatStartLaterNeither) {
  StopSignal stop;
  std::thread([] { ::kill(::getpid(), GetParam()); }).join();
  EXPECT_TRUE(stop.received());
}

TEST_P(StopSignalTest, OneThatCameTooLateIsDropped) {
  {
    const StopSignal stop;
    std::raise(GetParam());
  }  // else the process would end here
  StopSignal again;
  EXPECT_FALSE(again.received());
}

// Outside the object's life the signals mean what they meant before.
TEST_P(StopSignalTest, GivesTheSignalsBack) {
  const pid_t child = ::fork();
  if (child == 0) {
    { const StopSignal stop; }
    std::raise(GetParam());
    std::_Exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), GetParam());
}

// As under nohup, where a run outlives its terminal.
TEST(StopSignalIgnored, HangupIsNoRequest) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    StopSignal stop;
    std::raise(SIGHUP);
    EXPECT_FALSE(stop.received());
  }
  std::signal(SIGHUP, before);
}

}  // namespace
}  // namespace vitrail::trainer
