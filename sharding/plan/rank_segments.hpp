// Where each rank's lane slices lie in a bucket: what ranks exchange of it. Pure.
#pragma once

#include <vector>

#include "sharding/comm/communicator.hpp"

namespace vitrail::sharding {

// By rank; `slice`: elements of a lane. Throws as lanes_of_rank().
std::vector<Segment> rank_segments(std::int64_t lanes, std::int64_t slice, int world);

}  // namespace vitrail::sharding
