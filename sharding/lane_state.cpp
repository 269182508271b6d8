#include "sharding/lane_state.hpp"

namespace vitrail::sharding {
namespace {

constexpr std::array kAllKinds = {StateKind::weight, StateKind::exp_avg, StateKind::exp_avg_sq,
                                  StateKind::ema};

}  // namespace

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

LaneState::LaneState(const BucketPlan& plan, LaneRange lanes, DataType type, Average average)
    : plan_(plan),
      lanes_(lanes),
      type_(type),
      buffers_(average == Average::ema ? kAllKinds.size() : kStateKinds.size()) {
  for (auto& of_kind : buffers_) {
    for (const Bucket& bucket : plan.buckets) of_kind.emplace_back(type, bucket.slice * lanes.count());
  }
}

std::span<const StateKind> LaneState::kinds() const { return std::span(kAllKinds).first(buffers_.size()); }

Buffer& LaneState::slices(StateKind kind, std::size_t bucket) {
  return buffers_.at(static_cast<std::size_t>(kind))[bucket];
}

std::byte* LaneState::piece(StateKind kind, const Piece& piece) {
  return slices(kind, piece.bucket).at(offset_of(piece));
}

}  // namespace vitrail::sharding
