#include "sharding/comm/staged_communicator.hpp"

namespace vitrail::sharding {
namespace {

template <class Message>
std::size_t bytes_of(const Message& message, DataType type) {
  return static_cast<std::size_t>(message.count) * size_of(type);
}

template <class Messages>
std::size_t bytes_of_all(const Messages& messages, DataType type) {
  std::size_t bytes = 0;
  for (const auto& message : messages) bytes += bytes_of(message, type);
  return bytes;
}

}  // namespace

std::byte* StagedCommunicator::room(Buffer& buffer, std::size_t bytes) {
  if (static_cast<std::size_t>(buffer.elements()) < bytes) {
    buffer = Buffer();
    buffer = Buffer(DataType::u8, static_cast<std::int64_t>(bytes), device_, Memory::pinned);
  }
  return buffer.data();
}

void StagedCommunicator::exchange(std::span<const Outgoing> send, std::span<const Incoming> receive,
                                  DataType type) {
  std::vector<Outgoing> out(send.begin(), send.end());
  std::byte* at = room(sent_, bytes_of_all(send, type));
  for (Outgoing& message : out) {
    stream_.copy(message.data, bytes_of(message, type), at);
    message.data = at;
    at += bytes_of(message, type);
  }
  std::vector<Incoming> in(receive.begin(), receive.end());
  at = room(received_, bytes_of_all(receive, type));
  for (Incoming& message : in) {
    message.data = at;
    at += bytes_of(message, type);
  }
  stream_.finish();
  inner().exchange(out, in, type);
  for (std::size_t i = 0; i < in.size(); ++i) {
    stream_.copy(in[i].data, bytes_of(in[i], type), receive[i].data);
  }  // which the next call waits for before it uses the same room
}

void StagedCommunicator::all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) {
  const Segment own = segments[static_cast<std::size_t>(rank())];
  const std::byte* data = buffer + static_cast<std::size_t>(own.begin) * size_of(type);
  exchange(to_all_others(data, own.count, rank(), size()), from_all_others(buffer, segments, rank(), type),
           type);
}

void StagedCommunicator::reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                                        DataType type) {
  const std::size_t chunk = static_cast<std::size_t>(count) * size_of(type);
  const std::size_t all = chunk * static_cast<std::size_t>(size());
  std::byte* sent = room(sent_, all);
  std::byte* received = room(received_, chunk);
  stream_.copy(source, all, sent);
  stream_.finish();
  inner().reduce_scatter(sent, received, count, type);
  stream_.copy(received, chunk, target);
}

}  // namespace vitrail::sharding
