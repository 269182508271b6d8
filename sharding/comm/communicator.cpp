#include "sharding/comm/communicator.hpp"

#include <exception>

namespace vitrail::sharding {

void Communicator::settle(std::span<const Ticket> tickets) noexcept {
  if (!tickets.empty() && std::uncaught_exceptions() > 0) cancel();
  for (const Ticket ticket : tickets) {
    try {
      wait(ticket);
    } catch (...) {  // whoever waits next hears of it
    }
  }
}

}  // namespace vitrail::sharding
