#include "sharding/agreement/nodes.hpp"

#include <atomic>

#include <gtest/gtest.h>

#include "tests/support/thread_world.hpp"

namespace vitrail::sharding {
namespace {

// Ranks that are threads are on one node.
bool is_shared(const std::vector<std::string>& things) {
  std::atomic<int> said = 0;
  const auto world = static_cast<int>(things.size());
  tests::run_world(world, [&](Communicator& communicator) {
    said += shared_on_a_node(communicator, things[static_cast<std::size_t>(communicator.rank())]) ? 1 : 0;
  });
  EXPECT_TRUE(said == 0 || said == world) << said << " of " << world << " ranks say so";
  return said > 0;
}

TEST(Nodes, AThingIsSharedWhereTwoNamesAreAlike) {
  EXPECT_FALSE(is_shared({"0000:1b:00.0"}));
  EXPECT_FALSE(is_shared({"0000:1b:00.0", "0000:43:00.0", "0000:1b:00.1"}));
  EXPECT_TRUE(is_shared({"0000:1b:00.0", "0000:43:00.0", "0000:1b:00.0"}));
}

TEST(Nodes, RanksOfOneNodeAreCounted) {
  tests::run_world(
      3, [](Communicator& communicator) { EXPECT_EQ(rank_on_node(communicator), communicator.rank()); });
}

}  // namespace
}  // namespace vitrail::sharding
