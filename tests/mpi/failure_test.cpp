// Ranks that fail: the others learn it while they wait, and all leave with one verdict.
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "tests/mpi/mpi_world.hpp"
#include "tests/support/every_call.hpp"
#include "tests/support/faulty_communicator.hpp"

namespace vitrail::sharding {
namespace {

using std::chrono::milliseconds;

Failure failure_of(int rank) {
  const ExitCode code = rank == 0 ? ExitCode::io : rank == 1 ? ExitCode::bad_data : ExitCode::refused;
  return {code, fmt::format("step 7: rank {} has no luck", rank), fmt::format("hint {}", rank)};
}

class Failing : public MpiWorld {
 protected:
  static constexpr milliseconds kDeadline{5000};

  // What a rank does that failed itself.
  Settlement fail() {
    const Failure own = failure_of(rank());
    failures_.announce(own);
    return failures_.settle(own, kDeadline);
  }

  // What one does that waits in a collective which `failing` never comes to.
  template <class Collective>
  Settlement wait_in(Collective&& collective, const std::set<int>& failing) {
    const auto begin = Clock::now();
    try {
      collective();
      ADD_FAILURE() << "the collective completed without rank " << *failing.begin();
    } catch (const PeerFailure& e) {
      EXPECT_TRUE(failing.contains(e.peer())) << e.what();
    }
    EXPECT_LT(seconds_since(begin), 1.0);
    return failures_.settle(std::nullopt, kDeadline);
  }

  template <class Collective>
  void expect_one_verdict(const std::set<int>& failing, Collective&& collective) {
    const auto begin = Clock::now();
    const Settlement settlement = failing.contains(rank()) ? fail() : wait_in(collective, failing);
    EXPECT_LT(seconds_since(begin), 2.0) << "nobody waited for the deadline";
    EXPECT_EQ(settlement.code, failure_of(*failing.begin()).code)
        << "the lowest failed rank's, on every rank";
    EXPECT_TRUE(settlement.unanswered.empty());
    if (rank() != 0) {
      EXPECT_TRUE(settlement.failures.empty()) << "only rank 0 reports";
      return;
    }
    ASSERT_EQ(settlement.failures.size(), failing.size());
    for (const auto& [peer, failure] : settlement.failures) {
      EXPECT_EQ(failure.code, failure_of(peer).code);
      EXPECT_EQ(failure.message, failure_of(peer).message);
      EXPECT_EQ(failure.hint, failure_of(peer).hint);
    }
  }
};

TEST_F(Failing, NothingIsHeardWhileAllIsWell) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(failures_.failed_peer());
    world_.barrier();
  }
}

TEST_F(Failing, RankZeroWhileTheOthersSum) {
  std::vector<double> values(10);
  expect_one_verdict({0}, [&] { world_.all_reduce_sum(values); });
}

// A call of that kind that needs every rank, however small its messages are.
void call_all_ranks(Communicator& world, CallKind kind) {
  // Never freed: MPI may still write into what an abandoned call was given.
  auto& data = *new tests::CallData(world.size(), 100'000, 10);
  tests::call(world, kind, data);
  world.barrier();  // some complete on ranks that have all they need
}

class FailingInCall : public Failing, public testing::WithParamInterface<CallKind> {};
INSTANTIATE_TEST_SUITE_P(EveryKind, FailingInCall, testing::ValuesIn(tests::kAllCallKinds),
                         [](const auto& kind) { return name_of(kind.param); });

TEST_P(FailingInCall, TheOthersHearOfIt) {
  using Effect = tests::Fault::Effect;
  const int last = size() - 1;
  tests::FaultyCommunicator world(world_, {rank() == last ? Effect::fail : Effect::none, GetParam(), 1});
  const auto begin = Clock::now();
  std::optional<Failure> own;
  try {
    call_all_ranks(world, GetParam());
    ADD_FAILURE() << "the call ended well";
  } catch (const PeerFailure& e) {
    EXPECT_EQ(e.peer(), last);
  } catch (const Error& e) {
    own = Failure{e.code(), e.what(), e.hint()};
    failures_.announce(*own);
  }
  EXPECT_EQ(failures_.settle(own, kDeadline).code, ExitCode::io);
  EXPECT_LT(seconds_since(begin), 2.0);
}

TEST_P(FailingInCall, ALateRankIsWaitedFor) {
  using Effect = tests::Fault::Effect;
  const int last = size() - 1;
  tests::FaultyCommunicator world(world_, {rank() == last ? Effect::delay : Effect::none, GetParam(), 1});
  call_all_ranks(world, GetParam());
  EXPECT_FALSE(failures_.failed_peer());
}

// Nobody has failed, one just does not come.
TEST_P(FailingInCall, NobodyWaitsForEver) {
  if (size() < 2) GTEST_SKIP() << "needs two ranks";
  FailureChannel failures;
  MpiCommunicator world(failures, milliseconds(300));
  if (rank() == size() - 1) {
    std::this_thread::sleep_for(milliseconds(1500));
    EXPECT_THROW(call_all_ranks(world, GetParam()), PeerFailure);
    return;
  }
  const auto begin = Clock::now();
  try {
    call_all_ranks(world, GetParam());
    ADD_FAILURE() << "it completed without the last rank";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::watchdog);
    EXPECT_THAT(e.what(), testing::HasSubstr("another rank stopped responding"));
  } catch (const PeerFailure& e) {  // another one's patience has ended a moment earlier
    EXPECT_NE(e.peer(), size() - 1);
  }
  EXPECT_LT(seconds_since(begin), 1.2);
  failures.announce({ExitCode::watchdog, "late", ""});  // the last rank must not wait for us
}

TEST_F(Failing, TwoAtOnce) {
  expect_one_verdict({0, size() - 1}, [&] { world_.barrier(); });
}

TEST_F(Failing, TwoOthersAtOnce) {
  if (size() < 3) GTEST_SKIP() << "needs three ranks";
  expect_one_verdict({1, 2}, [&] { world_.barrier(); });
}

TEST_F(Failing, AllAtOnce) {
  std::set<int> all;
  for (int r = 0; r < size(); ++r) all.insert(r);
  expect_one_verdict(all, [] {});
}

TEST_F(Failing, LongWordsAreCutNotLost) {
  const int failing = size() - 1;
  const std::string words(5000, 'w');
  if (rank() == failing) failures_.announce({ExitCode::io, words, words});
  const auto own = rank() == failing ? std::optional<Failure>({ExitCode::io, words, words}) : std::nullopt;
  const Settlement settlement = failures_.settle(own, kDeadline);
  EXPECT_EQ(settlement.code, ExitCode::io);
  if (rank() != 0 || size() == 1) return;
  const std::string heard = settlement.failures.at(failing).message;
  EXPECT_GT(heard.size(), 1000U);
  EXPECT_EQ(heard, words.substr(0, heard.size()));
}

// A rank that computes on for longer than the others wait.
TEST_F(Failing, ARankThatDoesNotAnswerIsNotWaitedForLongerThanTheDeadline) {
  if (size() < 2) GTEST_SKIP() << "needs two ranks";
  const int silent = size() - 1;
  const auto begin = Clock::now();
  if (rank() == silent) {
    std::this_thread::sleep_for(milliseconds(1500));
    EXPECT_THROW(world_.barrier(), PeerFailure);
    EXPECT_EQ(failures_.settle(std::nullopt, milliseconds(500)).code, ExitCode::io) << "the verdict has come";
    return;
  }
  const auto own = rank() == 0 ? std::optional(failure_of(0)) : std::nullopt;
  if (own) {
    failures_.announce(*own);
  } else {
    EXPECT_THROW(world_.barrier(), PeerFailure);
  }
  const Settlement settlement = failures_.settle(own, milliseconds(500));
  EXPECT_LT(seconds_since(begin), 1.0);
  EXPECT_EQ(settlement.code, ExitCode::io);
  EXPECT_EQ(settlement.unanswered, rank() == 0 ? std::vector{size() - 1} : std::vector<int>{});
}

// Then nobody would report: the rank that failed does it in rank 0's place.
TEST_F(Failing, RankZeroDoesNotAnswer) {
  if (size() < 2) GTEST_SKIP() << "needs two ranks";
  const auto begin = Clock::now();
  if (rank() == 0) {
    std::this_thread::sleep_for(milliseconds(1500));
    EXPECT_THROW(world_.barrier(), PeerFailure);
    const Settlement late = failures_.settle(std::nullopt, milliseconds(500));
    EXPECT_EQ(late.code, ExitCode::bad_data);
    EXPECT_TRUE(late.failures.empty()) << "rank 1 has reported already";
    return;
  }
  const auto own = rank() == 1 ? std::optional(failure_of(1)) : std::nullopt;
  if (own) {
    failures_.announce(*own);
  } else {
    EXPECT_THROW(world_.barrier(), PeerFailure);
  }
  const Settlement settlement = failures_.settle(own, milliseconds(500));
  EXPECT_LT(seconds_since(begin), 1.0);
  EXPECT_EQ(settlement.code, ExitCode::bad_data) << "what the failed rank announced to all";
  EXPECT_EQ(settlement.failures.size(), own ? 1U : 0U);
  EXPECT_EQ(settlement.unanswered, own ? std::vector{0} : std::vector<int>{});
}

}  // namespace
}  // namespace vitrail::sharding
