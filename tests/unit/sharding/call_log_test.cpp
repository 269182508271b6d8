#include "sharding/comm/call_log.hpp"

#include <gmock/gmock.h>

#include "sharding/comm/local_communicator.hpp"
#include "tests/support/every_call.hpp"
#include "tests/support/faulty_communicator.hpp"
#include "tests/support/thread_world.hpp"

namespace vitrail::sharding {
namespace {

using testing::MatchesRegex;

void call(Communicator& ranks, CallKind kind) {
  tests::CallData data(ranks.size(), 10, 5);
  tests::call(ranks, kind, data);
}

TEST(CallLog, NumbersAndSizesOfEveryKind) {
  tests::run_world(3, [](Communicator& ranks) {
    CallLog log(ranks);
    for (const CallKind kind : tests::kAllCallKinds) call(log, kind);
    const auto entries = log.last(10);
    ASSERT_EQ(entries.size(), tests::kAllCallKinds.size());
    const std::int64_t broadcast = ranks.rank() == 0 ? 120 : 0;
    const std::vector<std::int64_t> bytes = {80, 40, 80, 40, broadcast, 0};
    for (std::size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(entries[i].number, i + 1);
      EXPECT_EQ(entries[i].kind, tests::kAllCallKinds[i]);
      EXPECT_EQ(entries[i].bytes, bytes[i]) << name_of(entries[i].kind);
      EXPECT_GE(entries[i].end, entries[i].begin);
    }
  });
}

TEST(CallLog, KeepsTheLastOnes) {
  LocalCommunicator alone;
  CallLog log(alone);
  EXPECT_TRUE(log.last(3).empty());
  for (std::size_t i = 0; i < 3 * CallLog::kKept; ++i) log.barrier();
  const auto entries = log.last(1000);
  ASSERT_EQ(entries.size(), CallLog::kKept);
  EXPECT_EQ(entries.front().number, 2 * CallLog::kKept + 1);
  EXPECT_EQ(entries.back().number, 3 * CallLog::kKept);
}

TEST(CallLog, SaysWhatWasNotDone) {
  for (const CallKind kind : tests::kAllCallKinds) {
    LocalCommunicator alone;
    tests::FaultyCommunicator faulty(alone, {tests::Fault::Effect::fail, kind, 1});
    CallLog log(faulty);
    EXPECT_THROW(call(log, kind), Error);
    EXPECT_THAT(log.describe_last(1),
                MatchesRegex(fmt::format("#1 {} [0-9.]+ KiB, not done after [0-9.]+ s", name_of(kind))));
  }
}

TEST(CallLog, SaysWhatAGpuMayStillBeAt) {
  LocalCommunicator alone;
  CallLog log(alone);
  log.observe({.kind = CallKind::exchange, .bytes = 1024, .returns_early = true}, [] {});
  EXPECT_THAT(log.describe_last(1), MatchesRegex("#1 exchange 1.0 KiB, given to the GPU in [0-9.]+ s"));
}

// Every kind of call can be hit, and only the n-th is.
TEST(FaultyCommunicator, HitsTheNthCallOfItsKind) {
  for (const CallKind kind : tests::kAllCallKinds) {
    LocalCommunicator alone;
    tests::FaultyCommunicator faulty(alone, {tests::Fault::Effect::fail, kind, 2});
    for (const CallKind other : tests::kAllCallKinds) call(faulty, other);
    EXPECT_THROW(call(faulty, kind), Error) << name_of(kind);
    call(faulty, kind);
  }
}

}  // namespace
}  // namespace vitrail::sharding
