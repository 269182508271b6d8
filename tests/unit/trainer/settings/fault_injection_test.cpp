#include "trainer/settings/fault_injection.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include "trainer/watch/phase.hpp"

namespace vitrail::trainer {
namespace {

TEST(FaultInjection, SaysPhaseRankStepAndKind) {
  EXPECT_EQ(parse_fault("backward:1:12:kill"), (FaultInjection{Phase::backward, 1, 12, FaultKind::kill}));
  EXPECT_EQ(parse_fault("start:0:0:hang"), (FaultInjection{Phase::start, 0, 0, FaultKind::hang}));
}

TEST(FaultInjection, EveryPhaseButIdlenessHasAWordOfItsOwn) {
  for (int p = 1; p <= static_cast<int>(Phase::prune); ++p) {
    const auto phase = static_cast<Phase>(p);
    const auto plan = parse_fault(std::string(name_of(phase)) + ":0:1:flip");
    ASSERT_TRUE(plan.has_value()) << p;
    EXPECT_EQ(plan->phase, phase);
  }
  EXPECT_FALSE(parse_fault("none:0:1:kill"));
}

TEST(FaultInjection, WhatIsMalformedIsNone) {
  for (const char* text :
       {"", "backward", "backward:1:12", "backward:1:12:kill:5", "sleep:1:12:kill", "backward:x:12:kill",
        "backward:-1:12:kill", "backward:1::kill", "backward:1:12:die"}) {
    EXPECT_FALSE(parse_fault(text)) << text;
  }
}

TEST(PhaseLog, TellsWhereEachThreadIs) {
  PhaseLog log(0, std::nullopt);
  EXPECT_EQ(log.stay(PhaseLog::Track::training).phase, Phase::none);
  const auto before = PhaseLog::Clock::now();
  log.enter(Phase::forward, 7);
  log.enter(Phase::write, 4, PhaseLog::Track::writing);
  const auto training = log.stay(PhaseLog::Track::training), writing = log.stay(PhaseLog::Track::writing);
  EXPECT_EQ(training.phase, Phase::forward);
  EXPECT_EQ(training.step, 7);
  EXPECT_GE(training.since, before);
  EXPECT_EQ(writing.phase, Phase::write);
  EXPECT_EQ(writing.step, 4);
}

TEST(PhaseLog, InjectsOnceOnItsRankAtItsStep) {
  const FaultInjection plan{Phase::backward, 1, 3, FaultKind::nan};
  PhaseLog other(0, plan);
  EXPECT_FALSE(other.injects(FaultKind::nan, 3));
  PhaseLog log(1, plan);
  EXPECT_FALSE(log.injects(FaultKind::nan, 2));
  EXPECT_FALSE(log.injects(FaultKind::flip, 3));
  EXPECT_TRUE(log.injects(FaultKind::nan, 3));
  EXPECT_FALSE(log.injects(FaultKind::nan, 3));
}

TEST(PhaseLogDeathTest, KillsWhoComesToThePhaseOfTheStep) {
  PhaseLog log(2, FaultInjection{Phase::update, 2, 5, FaultKind::kill});
  log.enter(Phase::update, 4);
  log.enter(Phase::backward, 5);
  EXPECT_EXIT(log.enter(Phase::update, 5), testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace vitrail::trainer
