// Ranks that fail: the others learn it while they wait, and all leave with one verdict.
#include <set>

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
  // Nobody reaches it: who waits for it hangs, and ctest ends that.
  static constexpr std::chrono::minutes kDeadline{30};

  // What a rank does that failed itself.
  Settlement fail() {
    const Failure own = failure_of(rank());
    failures_.announce(own);
    return failures_.settle(own, kDeadline);
  }

  // What one does that waits in a collective which `failing` never comes to.
  template <class Collective>
  Settlement wait_in(Collective&& collective, const std::set<int>& failing) {
    try {
      collective();
      ADD_FAILURE() << "the collective completed without rank " << *failing.begin();
    } catch (const PeerFailure& e) {
      EXPECT_TRUE(failing.contains(e.peer())) << e.what();
    }
    return failures_.settle(std::nullopt, kDeadline);
  }

  template <class Collective>
  void expect_one_verdict(const std::set<int>& failing, Collective&& collective) {
    const Settlement settlement = failing.contains(rank()) ? fail() : wait_in(collective, failing);
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
  const int last = size() - 1;
  const Marks marks(world_);
  FailureChannel failures;
  MpiCommunicator world(failures, rank() == last ? milliseconds(kDeadline) : milliseconds(300));
  if (rank() == last) {
    marks.wait_for_all_but(last, "gave up");
    EXPECT_THROW(call_all_ranks(world, GetParam()), PeerFailure);
    return;
  }
  try {
    call_all_ranks(world, GetParam());
    ADD_FAILURE() << "it completed without the last rank";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::watchdog);
    EXPECT_THAT(e.what(), testing::HasSubstr("another rank stopped responding"));
  } catch (const PeerFailure& e) {  // another one's patience has ended a moment earlier
    EXPECT_NE(e.peer(), last);
  }
  failures.announce({ExitCode::watchdog, "late", ""});  // the last rank must not wait for us
  marks.leave("gave up");
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

// A rank that computes on until the others have stopped waiting for it.
TEST_F(Failing, ARankThatDoesNotAnswerIsNotWaitedForLongerThanTheDeadline) {
  if (size() < 2) GTEST_SKIP() << "needs two ranks";
  const int silent = size() - 1;
  const Marks marks(world_);
  if (rank() == silent) {
    marks.wait_for_all_but(silent, "settled");
    EXPECT_THROW(world_.barrier(), PeerFailure);
    EXPECT_EQ(failures_.settle(std::nullopt, kDeadline).code, ExitCode::io) << "the verdict has come";
    return;
  }
  Settlement settlement;
  if (rank() == 0) {
    failures_.announce(failure_of(0));
    for (int peer = 1; peer < silent; ++peer) marks.wait_for("answers", peer);
    settlement = failures_.settle(failure_of(0), milliseconds(size() == 2 ? 300 : 4000));
  } else {
    EXPECT_THROW(world_.barrier(), PeerFailure);
    marks.leave("answers");
    settlement = failures_.settle(std::nullopt, kDeadline);
  }
  marks.leave("settled");
  EXPECT_EQ(settlement.code, ExitCode::io);
  EXPECT_EQ(settlement.unanswered, rank() == 0 ? std::vector{silent} : std::vector<int>{});
}

// Then nobody would report: the rank that failed does it in rank 0's place.
TEST_F(Failing, RankZeroDoesNotAnswer) {
  if (size() < 2) GTEST_SKIP() << "needs two ranks";
  const Marks marks(world_);
  if (rank() == 0) {
    marks.wait_for_all_but(0, "settled");
    EXPECT_THROW(world_.barrier(), PeerFailure);
    const Settlement late = failures_.settle(std::nullopt, kDeadline);
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
  marks.leave("settled");
  EXPECT_EQ(settlement.code, ExitCode::bad_data) << "what the failed rank announced to all";
  EXPECT_EQ(settlement.failures.size(), own ? 1U : 0U);
  EXPECT_EQ(settlement.unanswered, own ? std::vector{0} : std::vector<int>{});
}

}  // namespace
}  // namespace vitrail::sharding
