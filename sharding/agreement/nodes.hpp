// Which ranks share a node, and what on it: by host name. Throws: PeerFailure.
#pragma once

#include <string>

#include "sharding/comm/communicator.hpp"
#include "sharding/plan/topology.hpp"

namespace vitrail::sharding {

std::string host_name();
Topology gather_topology(Communicator& communicator);
int rank_on_node(Communicator& communicator);  // how many lower ranks this node has
// Whether two ranks of one node have the same thing, which its name tells. The same on all ranks.
bool shared_on_a_node(Communicator& communicator, const std::string& thing);

}  // namespace vitrail::sharding
