#include "sharding/plan/topology.hpp"

#include <algorithm>
#include <map>

namespace vitrail::sharding {

int Topology::nodes() const { return node_of.empty() ? 0 : *std::ranges::max_element(node_of) + 1; }

int Topology::rank_on_node(int rank) const {
  return static_cast<int>(std::count(node_of.begin(), node_of.begin() + rank, node_of.at(at(rank))));
}

Topology topology_of(const std::vector<std::string>& hosts) {
  Topology topology;
  std::map<std::string, int> numbers;
  for (const std::string& host : hosts) {
    topology.node_of.push_back(numbers.emplace(host, static_cast<int>(numbers.size())).first->second);
  }
  return topology;
}

Topology one_node(int ranks) { return {std::vector<int>(static_cast<std::size_t>(ranks), 0)}; }

Topology full_nodes(int ranks, int per_node) {
  Topology topology;
  for (int rank = 0; rank < ranks; ++rank) topology.node_of.push_back(rank / per_node);
  return topology;
}

}  // namespace vitrail::sharding
