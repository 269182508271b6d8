#include "sharding/plan/rank_segments.hpp"

#include "sharding/plan/lanes.hpp"

namespace vitrail::sharding {

std::vector<Segment> rank_segments(std::int64_t lanes, std::int64_t slice, int world) {
  std::vector<Segment> segments;
  for (int rank = 0; rank < world; ++rank) {
    const LaneRange of_rank = lanes_of_rank(lanes, world, rank);
    segments.push_back({of_rank.begin * slice, of_rank.count() * slice});
  }
  return segments;
}

}  // namespace vitrail::sharding
