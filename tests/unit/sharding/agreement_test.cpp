#include "sharding/agreement/agreement.hpp"

#include <gmock/gmock.h>

#include "tests/support/thread_world.hpp"

namespace vitrail::sharding {
namespace {

using testing::HasSubstr;

std::vector<std::string> hosts(std::size_t ranks) {
  std::vector<std::string> names;
  for (std::size_t r = 0; r < ranks; ++r) names.push_back(fmt::format("node{}", r));
  return names;
}

TEST(Agreement, NothingToSayWhereAllAgree) {
  const std::vector<Fact> facts = {{"lr", "1"}, {"lanes", "4"}};
  EXPECT_TRUE(find_disagreements({facts, facts, facts}, hosts(3)).empty());
  EXPECT_TRUE(find_disagreements({facts}, hosts(1)).empty());
}

TEST(Agreement, NamesTheOneThatDiffersFromMost) {
  for (std::size_t odd = 0; odd < 4; ++odd) {
    std::vector<std::vector<Fact>> facts(4, {{"lr", "1"}, {"lanes", "4"}});
    facts[odd][0].value = "2";
    const auto found = find_disagreements(facts, hosts(4));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].rank, static_cast<int>(odd));
    EXPECT_EQ(found[0].words, fmt::format("lr is 2 on rank {0} (node{0}), 1 on 3 others", odd));
  }
}

TEST(Agreement, OfTwoRanksTheFirstIsTakenForRight) {
  const auto found = find_disagreements({{{"data", "a"}}, {{"data", "b"}}}, hosts(2));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].words, "data is b on rank 1 (node1), a on 1 other");
}

TEST(Agreement, EmptyValuesAreSaidSo) {
  const auto found = find_disagreements({{{"data.val", ""}}, {{"data.val", "b"}}}, hosts(2));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].words, "data.val is b on rank 1 (node1), empty on 1 other");
}

TEST(Agreement, WhatARankLacksIsMissing) {
  const auto found = find_disagreements({{{"ema.decay", "0"}}, {}, {{"ema.decay", "0"}}}, hosts(3));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].words, "ema.decay is missing on rank 1 (node1), 0 on 2 others");
}

TEST(Agreement, AllRanksThrowTheSame) {
  tests::run_world(3, [](Communicator& ranks) {
    const auto check = [&](const std::string& value) {
      check_agreement(ranks, {{"seed", value}, {"name", ""}}, ExitCode::refused, "use one file");
    };
    check("7");
    try {
      check(ranks.rank() == 2 ? "8" : "7");
      FAIL() << "no error";
    } catch (const AgreedError& e) {
      EXPECT_EQ(e.code(), ExitCode::refused);
      EXPECT_EQ(e.rank(), 2);
      EXPECT_EQ(e.hint(), "use one file");
      EXPECT_THAT(e.what(), HasSubstr("ranks differ: seed is 8 on rank 2 ("));
      EXPECT_THAT(e.what(), HasSubstr("), 7 on 2 others"));
    }
  });
}

}  // namespace
}  // namespace vitrail::sharding
