#include "sharding/agreement/nodes.hpp"

#include <algorithm>
#include <array>

#include <unistd.h>

#include "sharding/agreement/gather_text.hpp"

namespace vitrail::sharding {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

Topology gather_topology(Communicator& communicator) {
  return topology_of(gather_text(communicator, host_name()));
}

int rank_on_node(Communicator& communicator) {
  return gather_topology(communicator).rank_on_node(communicator.rank());
}

bool shared_on_a_node(Communicator& communicator, const std::string& thing) {
  std::vector<std::string> things = gather_text(communicator, host_name() + '\n' + thing);
  std::ranges::sort(things);
  return std::ranges::adjacent_find(things) != things.end();
}

}  // namespace vitrail::sharding
