#include "sharding/plan/topology.hpp"

#include <gtest/gtest.h>

namespace vitrail::sharding {
namespace {

TEST(Topology, NodesAreNumberedByTheirFirstRanks) {
  const Topology topology = topology_of({"b", "a", "b", "c"});
  EXPECT_EQ(topology.node_of, (std::vector{0, 1, 0, 2}));
  EXPECT_EQ(topology.nodes(), 3);
  EXPECT_TRUE(topology.together(0, 2));
  EXPECT_FALSE(topology.together(0, 1));
  EXPECT_EQ(topology.rank_on_node(2), 1);
  EXPECT_EQ(topology.rank_on_node(3), 0);
}

TEST(Topology, TheLastNodeMayBePartlyFull) {
  EXPECT_EQ(full_nodes(5, 2).node_of, (std::vector{0, 0, 1, 1, 2}));
  EXPECT_EQ(full_nodes(3, 8), one_node(3));
  EXPECT_EQ(one_node(3).nodes(), 1);
}

}  // namespace
}  // namespace vitrail::sharding
