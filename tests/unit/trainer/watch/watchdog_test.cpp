#include "trainer/watch/watchdog.hpp"

#include <future>

#include <gmock/gmock.h>

namespace vitrail::trainer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr std::chrono::minutes kHang{5};  // longer than any machine takes that has a second for this test

WatchdogConfig limits(std::int64_t step, std::int64_t other) {
  return {.step = {step, Duration::Unit::seconds}, .other = {other, Duration::Unit::seconds}};
}

// What it says when a phase times out; empty if it does not within `patience`.
struct Watched {
  explicit Watched(const WatchdogConfig& config)
      : dog(phases, config, "rank 3 on node2", [this](const std::string& why) { said.set_value(why); }) {}

  std::string on_timeout(milliseconds patience) {
    return future.wait_for(patience) == std::future_status::ready ? future.get() : "";
  }

  std::promise<std::string> said;
  std::future<std::string> future = said.get_future();
  PhaseLog phases{3, std::nullopt};
  Watchdog dog;  // last: uses the rest
};

TEST(Watchdog, TimesOutWhereAPhaseOfAStepTakesTooLongAndShowsAllStacks) {
  testing::internal::CaptureStderr();
  Watched watched(limits(1, 1000));
  for (int i = 0; i < 5; ++i) watched.dog.step_took(milliseconds(10));
  watched.phases.enter(Phase::backward, 12);
  EXPECT_THAT(watched.on_timeout(kHang),
              MatchesRegex("rank 3 on node2: watchdog: [0-9]+ s in phase `backward` of "
                           "step 12, longer than the limit of 1 s"));
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_THAT(shown, HasSubstr("vitrail: rank 3 on node2: watchdog: "));
  EXPECT_THAT(shown, HasSubstr("thread "));
  EXPECT_THAT(shown, HasSubstr("[0x")) << "frames";
  EXPECT_THAT(shown, testing::Not(HasSubstr("does not answer")));
}

TEST(Watchdog, InTheExchangeOnlyWaitingForOthersIsNoHanging) {
  Watched watched(limits(1, 1));
  {
    const PhaseLog::Wait waiting(watched.phases);
    watched.phases.enter(Phase::reduce, 3);
    EXPECT_EQ(watched.on_timeout(milliseconds(2000)), "");
  }
  EXPECT_THAT(watched.on_timeout(kHang), HasSubstr("s in phase `reduce` of step 3"));
}

TEST(Watchdog, LongStepsGiveLongLimits) {
  Watched watched(limits(1, 1000));
  for (int i = 0; i < 5; ++i) watched.dog.step_took(milliseconds(300));
  watched.phases.enter(Phase::forward, 1);
  EXPECT_EQ(watched.dog.longest_wait(), milliseconds(8000));
  EXPECT_THAT(watched.on_timeout(kHang), HasSubstr("longer than the limit of 3 s")) << "ten times the median";
}

TEST(Watchdog, KnowsNoLimitForAStepBeforeItKnowsSteps) {
  Watched watched(limits(1, 1000));
  watched.dog.step_took(milliseconds(1));
  watched.phases.enter(Phase::forward, 1);
  EXPECT_EQ(watched.dog.longest_wait(), milliseconds(0));
  EXPECT_EQ(watched.on_timeout(milliseconds(2000)), "");
}

TEST(Watchdog, LooksAtTheWritingThreadToo) {
  Watched watched(limits(0, 1));
  watched.phases.enter(Phase::rename, 8, PhaseLog::Track::writing);
  EXPECT_THAT(watched.on_timeout(kHang), HasSubstr("`rename` of step 8"));
}

TEST(Watchdog, IdleOrOffItIsQuiet) {
  Watched watched(limits(0, 0));
  for (int i = 0; i < 5; ++i) watched.dog.step_took(milliseconds(1));
  watched.phases.enter(Phase::data, 1);
  watched.phases.enter(Phase::write, 1, PhaseLog::Track::writing);
  EXPECT_EQ(watched.on_timeout(milliseconds(1200)), "");
  EXPECT_EQ(watched.dog.longest_wait(), milliseconds(0));
}

}  // namespace
}  // namespace vitrail::trainer
