// Which ranks share a node: by host name. Throws: PeerFailure.
#pragma once

#include <string>

#include "sharding/communicator.hpp"

namespace vitrail::sharding {

std::string host_name();
bool is_first_of_node(Communicator& communicator);  // the lowest rank of this node

}  // namespace vitrail::sharding
