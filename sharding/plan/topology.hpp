// Which ranks share a node. A pure value: from the host names of all ranks, or as it is planned.
#pragma once

#include <string>
#include <vector>

namespace vitrail::sharding {

struct Topology {
  std::vector<int> node_of;  // by rank; nodes are numbered in the order of their first ranks

  int ranks() const { return static_cast<int>(node_of.size()); }
  int nodes() const;
  bool together(int rank, int other) const { return node_of.at(at(rank)) == node_of.at(at(other)); }
  int rank_on_node(int rank) const;  // how many lower ranks its node has
  bool operator==(const Topology&) const = default;

 private:
  static std::size_t at(int rank) { return static_cast<std::size_t>(rank); }
};

Topology topology_of(const std::vector<std::string>& hosts);  // by rank
Topology one_node(int ranks);
// Consecutive ranks, `per_node` on each node, fewer on the last one.
Topology full_nodes(int ranks, int per_node);

}  // namespace vitrail::sharding
