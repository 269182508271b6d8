#include "sharding/plan/nodes.hpp"

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

int rank_on_node(Communicator& communicator) {
  const std::string own = host_name();
  const std::vector<std::string> hosts = gather_text(communicator, own);
  return static_cast<int>(std::count(hosts.begin(), hosts.begin() + communicator.rank(), own));
}

bool shared_on_a_node(Communicator& communicator, const std::string& thing) {
  std::vector<std::string> things = gather_text(communicator, host_name() + '\n' + thing);
  std::ranges::sort(things);
  return std::ranges::adjacent_find(things) != things.end();
}

}  // namespace vitrail::sharding
