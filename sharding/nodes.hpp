// Which ranks share a node: by host name. Throws: PeerFailure.
#pragma once

#include "sharding/communicator.hpp"

namespace vitrail::sharding {

bool is_first_of_node(Communicator& communicator);  // the lowest rank of this node

}  // namespace vitrail::sharding
