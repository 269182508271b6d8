// One call of any kind, with data of its own, for tests that go through all kinds.
#pragma once

#include <array>
#include <vector>

#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::tests {

inline constexpr std::array kAllCallKinds = {
    sharding::CallKind::exchange,   sharding::CallKind::all_gather, sharding::CallKind::reduce_scatter,
    sharding::CallKind::all_reduce, sharding::CallKind::broadcast,  sharding::CallKind::barrier};

// What a call reads and writes: `elements` floats for each rank, `sums` doubles.
struct CallData {
  CallData(int ranks, std::int64_t elements, std::size_t sums)
      : source(static_cast<std::size_t>(ranks * elements)), target(source.size()), values(sums, 1.0) {
    for (int rank = 0; rank < ranks; ++rank) segments.push_back({rank * elements, elements});
  }
  std::vector<float> source, target;
  std::vector<double> values;
  std::vector<sharding::Segment> segments;
};

inline void call(sharding::Communicator& ranks, sharding::CallKind kind, CallData& data) {
  const auto bytes = std::as_writable_bytes(std::span(data.source));
  switch (kind) {
    case sharding::CallKind::exchange:  // the same to all others
      return ranks.exchange(
          sharding::to_all_others(bytes.data(), data.segments.front().count, ranks.rank(), ranks.size()),
          sharding::from_all_others(std::as_writable_bytes(std::span(data.target)).data(), data.segments,
                                    ranks.rank(), DataType::f32),
          DataType::f32);
    case sharding::CallKind::all_gather:
      return ranks.all_gather(bytes.data(), data.segments, DataType::f32);
    case sharding::CallKind::reduce_scatter:
      return ranks.reduce_scatter(bytes.data(), std::as_writable_bytes(std::span(data.target)).data(),
                                  data.segments.front().count, DataType::f32);
    case sharding::CallKind::all_reduce:
      return ranks.all_reduce_sum(data.values);
    case sharding::CallKind::broadcast:
      return ranks.broadcast(bytes, 0);
    case sharding::CallKind::barrier:
      return ranks.barrier();
  }
}

}  // namespace vitrail::tests
