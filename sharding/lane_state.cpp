#include "sharding/lane_state.hpp"

#include <utility>

namespace vitrail::sharding {
const char* name_of(StateKind kind) {
  switch (kind) {
    case StateKind::weight:
      return "weight";
    case StateKind::exp_avg:
      return "exp_avg";
    case StateKind::exp_avg_sq:
      return "exp_avg_sq";
    case StateKind::ema:
      return "ema";
  }
  return "";
}

LaneState::LaneState(const BucketPlan& plan, LaneRange lanes, DataType type, std::vector<StateKind> kinds)
    : plan_(plan), lanes_(lanes), type_(type), kinds_(std::move(kinds)) {
  for (const StateKind kind : kinds_) {
    auto& of_kind = buffers_.at(static_cast<std::size_t>(kind));
    for (const Bucket& bucket : plan.buckets) of_kind.emplace_back(type, bucket.slice * lanes.count());
  }
}

Buffer& LaneState::slices(StateKind kind, std::size_t bucket) {
  return buffers_.at(static_cast<std::size_t>(kind)).at(bucket);
}

std::byte* LaneState::piece(StateKind kind, const Piece& piece) {
  return slices(kind, piece.bucket).at(offset_of(piece));
}

}  // namespace vitrail::sharding
