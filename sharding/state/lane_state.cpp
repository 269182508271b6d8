#include "sharding/state/lane_state.hpp"

#include <algorithm>
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

namespace {

std::size_t bytes_of(const Piece& piece, DataType type) {
  return static_cast<std::size_t>(piece.elements) * size_of(type);
}

}  // namespace

LaneState::LaneState(const BucketPlan& plan, LaneRange lanes, DataType type, Device& device,
                     std::vector<StateKind> kinds)
    : plan_(plan), lanes_(lanes), type_(type), device_(device), kinds_(std::move(kinds)) {
  for (const StateKind kind : kinds_) {
    auto& of_kind = buffers_.at(static_cast<std::size_t>(kind));
    for (const Bucket& bucket : plan.buckets)
      of_kind.emplace_back(type, bucket.slice * lanes.count(), device);
  }
}

Buffer& LaneState::slices(StateKind kind, std::size_t bucket) {
  return buffers_.at(static_cast<std::size_t>(kind)).at(bucket);
}

UpdateList& LaneState::averaged() {
  for (std::size_t b = 0; averaged_.scalars.empty() && b < plan_.buckets.size(); ++b) {
    Buffer& weights = slices(StateKind::weight, b);
    for (std::int64_t first = 0; first < weights.elements(); first += kUpdateRun) {
      UpdateRun& run = averaged_.runs.emplace_back();
      run.elements = std::min(kUpdateRun, weights.elements() - first);
      run.weight = weights.at(first);
      run.average = slices(StateKind::ema, b).at(first);
    }
  }
  averaged_.scalars.resize(1);
  return averaged_;
}

std::byte* LaneState::piece(StateKind kind, const Piece& piece) {
  return slices(kind, piece.bucket).at(offset_of(piece));
}

void LaneState::read(StateKind kind, const Piece& piece, std::byte* to) {
  device_.compute().copy(this->piece(kind, piece), bytes_of(piece, type_), to);
}

void LaneState::write(StateKind kind, const Piece& piece, const std::byte* from) {
  device_.compute().copy(from, bytes_of(piece, type_), this->piece(kind, piece));
}

}  // namespace vitrail::sharding
