#include "sharding/comm/staged_communicator.hpp"

namespace vitrail::sharding {
namespace {

// The same segments one after another, the own one left out.
std::vector<Segment> packed_without(std::span<const Segment> segments, int own) {
  std::vector<Segment> packed;
  std::int64_t begin = 0;
  for (const Segment& segment : segments) {
    const bool is_own = static_cast<int>(packed.size()) == own;
    packed.push_back({begin, is_own ? 0 : segment.count});
    begin += packed.back().count;
  }
  return packed;
}

std::size_t bytes_of(const Segment& segment, DataType type) {
  return static_cast<std::size_t>(segment.count) * size_of(type);
}

std::size_t offset_of(const Segment& segment, DataType type) {
  return static_cast<std::size_t>(segment.begin) * size_of(type);
}

std::size_t end_of(const std::vector<Segment>& packed, DataType type) {
  return packed.empty() ? 0 : offset_of(packed.back(), type) + bytes_of(packed.back(), type);
}

}  // namespace

std::byte* StagedCommunicator::room(Buffer& buffer, std::size_t bytes) {
  if (static_cast<std::size_t>(buffer.elements()) < bytes) {
    buffer = Buffer();
    buffer = Buffer(DataType::u8, static_cast<std::int64_t>(bytes), device_, Memory::pinned);
  }
  return buffer.data();
}

void StagedCommunicator::all_to_all(const std::byte* source, std::span<const Segment> send, std::byte* target,
                                    std::span<const Segment> receive, DataType type) {
  const std::vector<Segment> out = packed_without(send, rank()), in = packed_without(receive, rank());
  std::byte* sent = room(sent_, end_of(out, type));
  std::byte* received = room(received_, end_of(in, type));
  for (std::size_t peer = 0; peer < out.size(); ++peer) {
    if (out[peer].count == 0) continue;
    stream_.copy(source + offset_of(send[peer], type), bytes_of(out[peer], type),
                 sent + offset_of(out[peer], type));
  }
  stream_.mark()();
  inner().all_to_all(sent, out, received, in, type);
  for (std::size_t peer = 0; peer < in.size(); ++peer) {
    if (in[peer].count == 0) continue;
    stream_.copy(received + offset_of(in[peer], type), bytes_of(in[peer], type),
                 target + offset_of(receive[peer], type));
  }
  stream_.mark()();
}

void StagedCommunicator::all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) {
  const std::vector<Segment> own(segments.size(), segments[static_cast<std::size_t>(rank())]);
  all_to_all(buffer, own, buffer, segments, type);
}

void StagedCommunicator::reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                                        DataType type) {
  const std::size_t chunk = static_cast<std::size_t>(count) * size_of(type);
  const std::size_t all = chunk * static_cast<std::size_t>(size());
  std::byte* sent = room(sent_, all);
  std::byte* received = room(received_, chunk);
  stream_.copy(source, all, sent);
  stream_.mark()();
  inner().reduce_scatter(sent, received, count, type);
  stream_.copy(received, chunk, target);
  stream_.mark()();
}

}  // namespace vitrail::sharding
