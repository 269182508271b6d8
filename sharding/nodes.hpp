// Which ranks share a node: by host name. Throws: PeerFailure.
#pragma once

#include <string>

#include "sharding/communicator.hpp"

namespace vitrail::sharding {

std::string host_name();
int rank_on_node(Communicator& communicator);  // how many lower ranks this node has

}  // namespace vitrail::sharding
