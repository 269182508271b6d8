#include "sharding/plan/lanes.hpp"

#include <algorithm>
#include <bit>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {

LaneRange lanes_of_rank(std::int64_t lanes, int world, int rank) {
  if (lanes < 1 || !std::has_single_bit(static_cast<std::uint64_t>(lanes))) {
    throw Error(ExitCode::refused, fmt::format("run.lanes = {} is not a power of two", lanes));
  }
  if (world > lanes) {
    throw Error(ExitCode::refused,
                fmt::format("{} ranks for {} lanes: a rank would have nothing to do", world, lanes),
                fmt::format("start at most {} ranks, or begin a new run with a larger run.lanes", lanes));
  }
  return {rank * lanes / world, (rank + 1) * lanes / world};
}

std::vector<LaneRange> aligned_blocks(LaneRange lanes) {
  std::vector<LaneRange> blocks;
  for (std::int64_t begin = lanes.begin; begin < lanes.end;) {
    std::int64_t size = 1;
    while (begin % (2 * size) == 0 && begin + 2 * size <= lanes.end) size *= 2;
    blocks.push_back({begin, begin + size});
    begin += size;
  }
  return blocks;
}

bool are_siblings(LaneRange left, LaneRange right) {
  return left.end == right.begin && left.count() == right.count() && left.begin % (2 * left.count()) == 0;
}

int full_sums(LaneRange lanes) {
  std::size_t most = 0;
  for (std::int64_t end = lanes.begin + 1; end <= lanes.end; ++end) {
    most = std::max(most, aligned_blocks({lanes.begin, end}).size());
  }
  return static_cast<int>(most);
}

}  // namespace vitrail::sharding
