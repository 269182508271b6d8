#include "sharding/comm/communicator.hpp"

#include <exception>

namespace vitrail::sharding {

std::int64_t elements_of(std::span<const Outgoing> messages) {
  std::int64_t elements = 0;
  for (const Outgoing& message : messages) elements += message.count;
  return elements;
}

std::vector<Outgoing> to_all_others(const std::byte* data, std::int64_t count, int own, int ranks) {
  std::vector<Outgoing> messages;
  for (int peer = 0; peer < ranks; ++peer) {
    if (peer != own) messages.push_back({peer, data, count});
  }
  return messages;
}

std::vector<Incoming> from_all_others(std::byte* buffer, std::span<const Segment> segments, int own,
                                      DataType type) {
  std::vector<Incoming> messages;
  for (int peer = 0; peer < static_cast<int>(segments.size()); ++peer) {
    const Segment& segment = segments[static_cast<std::size_t>(peer)];
    std::byte* data = buffer + static_cast<std::size_t>(segment.begin) * size_of(type);
    if (peer != own) messages.push_back({peer, data, segment.count});
  }
  return messages;
}

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
