// Worlds of so many ranks on nodes, in the orders in which launchers and people put them there.
#pragma once

#include <vector>

#include "sharding/plan/topology.hpp"

namespace vitrail::tests {

inline sharding::Topology in_turns(int ranks, int nodes) {  // cyclic
  sharding::Topology topology;
  for (int rank = 0; rank < ranks; ++rank) topology.node_of.push_back(rank % nodes);
  return topology;
}

inline sharding::Topology last_one_apart(int ranks) {  // 3 + 1
  sharding::Topology topology = sharding::one_node(ranks);
  if (ranks > 1) topology.node_of.back() = 1;
  return topology;
}

inline std::vector<sharding::Topology> placements(int ranks) {
  using sharding::full_nodes;
  return {sharding::one_node(ranks), full_nodes(ranks, 1), full_nodes(ranks, 2), full_nodes(ranks, 3),
          full_nodes(ranks, 4),      full_nodes(ranks, 8), in_turns(ranks, 2),   in_turns(ranks, 3),
          in_turns(ranks, 4),        last_one_apart(ranks)};
}

}  // namespace vitrail::tests
