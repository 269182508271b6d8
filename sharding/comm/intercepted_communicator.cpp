#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::sharding {
namespace {

// What the first other rank sends, where it sends anything.
std::span<std::byte> first_of_others(std::byte* target, std::span<const Segment> segments, int own,
                                     DataType type) {
  for (std::size_t peer = 0; peer < segments.size(); ++peer) {
    if (static_cast<int>(peer) == own || segments[peer].count == 0) continue;
    return {target + static_cast<std::size_t>(segments[peer].begin) * size_of(type),
            static_cast<std::size_t>(segments[peer].count) * size_of(type)};
  }
  return {};
}

}  // namespace

const char* name_of(CallKind kind) {
  switch (kind) {
    case CallKind::exchange:
      return "exchange";
    case CallKind::all_gather:
      return "all_gather";
    case CallKind::reduce_scatter:
      return "reduce_scatter";
    case CallKind::all_reduce:
      return "all_reduce";
    case CallKind::broadcast:
      return "broadcast";
    case CallKind::barrier:
      return "barrier";
  }
  return "";
}

void InterceptedCommunicator::exchange(std::span<const Outgoing> send, std::span<const Incoming> receive,
                                       DataType type) {
  const std::size_t width = size_of(type);
  std::span<std::byte> received;
  if (!receive.empty())
    received = {receive.front().data, static_cast<std::size_t>(receive.front().count) * width};
  around({CallKind::exchange, elements_of(send) * static_cast<std::int64_t>(width), received},
         [&] { inner_.exchange(send, receive, type); });
}

void InterceptedCommunicator::all_gather(std::byte* buffer, std::span<const Segment> segments,
                                         DataType type) {
  const std::int64_t own = segments[static_cast<std::size_t>(rank())].count;
  around({CallKind::all_gather, own * static_cast<std::int64_t>(size_of(type)),
          first_of_others(buffer, segments, rank(), type)},
         [&] { inner_.all_gather(buffer, segments, type); });
}

void InterceptedCommunicator::reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                                             DataType type) {
  const auto bytes = static_cast<std::size_t>(count) * size_of(type);
  around({CallKind::reduce_scatter, static_cast<std::int64_t>(bytes) * (size() - 1), {target, bytes}},
         [&] { inner_.reduce_scatter(source, target, count, type); });
}

void InterceptedCommunicator::all_reduce_sum(std::span<double> values) {
  around(
      {CallKind::all_reduce, static_cast<std::int64_t>(values.size_bytes()), std::as_writable_bytes(values)},
      [&] { inner_.all_reduce_sum(values); });
}

void InterceptedCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  const bool receives = rank() != root;
  around({CallKind::broadcast, receives ? 0 : static_cast<std::int64_t>(bytes.size()),
          receives ? bytes : std::span<std::byte>()},
         [&] { inner_.broadcast(bytes, root); });
}

void InterceptedCommunicator::barrier() {
  around({}, [&] { inner_.barrier(); });
}

}  // namespace vitrail::sharding
