#include "sharding/nodes.hpp"

#include <algorithm>
#include <array>

#include <unistd.h>

#include "sharding/gather_text.hpp"

namespace vitrail::sharding {

bool is_first_of_node(Communicator& communicator) {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  const std::vector<std::string> hosts = gather_text(communicator, name.data());
  return std::ranges::find(hosts, name.data()) - hosts.begin() == communicator.rank();
}

}  // namespace vitrail::sharding
