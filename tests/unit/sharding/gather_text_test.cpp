#include "sharding/agreement/gather_text.hpp"

#include <gtest/gtest.h>

#include "tests/support/thread_world.hpp"

namespace vitrail::sharding {
namespace {

TEST(GatherText, EveryRankHasAllTextsByRank) {
  const auto text_of = [](int rank) {
    return rank == 1 ? std::string()
                     : std::string(static_cast<std::size_t>(rank) * 1000 + 3, 'a') + '\0' + "\xff";
  };
  for (const int world : {1, 2, 3, 4}) {
    tests::run_world(world, [&](Communicator& communicator) {
      const std::vector<std::string> texts = gather_text(communicator, text_of(communicator.rank()));
      ASSERT_EQ(texts.size(), static_cast<std::size_t>(world));
      for (int rank = 0; rank < world; ++rank)
        EXPECT_EQ(texts[static_cast<std::size_t>(rank)], text_of(rank));
    });
  }
}

TEST(Agree, NothingIsThrownWhereAllIsWell) {
  tests::run_world(3, [](Communicator& communicator) {
    bool done = false;
    agree(communicator, [&] { done = true; });
    EXPECT_TRUE(done);
  });
}

TEST(Agree, TheLowestFailedRanksErrorIsEverybodys) {
  for (const int world : {1, 3}) {
    tests::run_world(world, [&](Communicator& communicator) {
      const int rank = communicator.rank();
      try {
        agree(communicator, [&] {
          if (rank == world - 1) throw Error(ExitCode::io, "no space: \n a second line", "free some");
          if (rank == world - 2) throw Error(ExitCode::bad_data, "bad file", "");
        });
        ADD_FAILURE() << "no error on rank " << rank;
      } catch (const AgreedError& e) {
        const bool single = world == 1;
        EXPECT_EQ(e.rank(), single ? 0 : 1);
        EXPECT_EQ(e.code(), single ? ExitCode::io : ExitCode::bad_data);
        EXPECT_STREQ(e.what(), single ? "no space: \n a second line" : "bad file");
        EXPECT_EQ(e.hint(), single ? "free some" : "");
      }
      communicator.barrier();  // nobody is left behind
    });
  }
}

TEST(Agree, OtherExceptionsAreNotAgreedOn) {  // those mean a crash, which the failure channel reports
  tests::run_world(1, [](Communicator& communicator) {
    EXPECT_THROW(agree(communicator, [] { throw std::bad_alloc(); }), std::bad_alloc);
  });
}

}  // namespace
}  // namespace vitrail::sharding
