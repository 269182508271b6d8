// What a rank keeps for its lanes: master weights, the optimizer's moments (SGD has one, its momentum, in
// exp_avg) and, where asked for, an average of the weights; one buffer per bucket. Units: elements. 12 bytes
// per parameter / N in fp32, 16 with the average.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "sharding/device/buffer.hpp"
#include "sharding/device/update_list.hpp"
#include "sharding/plan/bucket_plan.hpp"

namespace vitrail::sharding {

enum class StateKind : std::uint8_t { weight, exp_avg, exp_avg_sq, ema };
inline constexpr std::array kStateKinds = {StateKind::weight, StateKind::exp_avg, StateKind::exp_avg_sq,
                                           StateKind::ema};
const char* name_of(StateKind kind);  // as it stands in checkpoints: "weight", "exp_avg", "exp_avg_sq", "ema"

class LaneState {
 public:
  LaneState(const BucketPlan& plan, LaneRange lanes, DataType type, Device& device,
            std::vector<StateKind> kinds = {StateKind::weight, StateKind::exp_avg, StateKind::exp_avg_sq});

  DataType type() const { return type_; }
  LaneRange lanes() const { return lanes_; }
  const BucketPlan& plan() const { return plan_; }
  bool owns(const Piece& piece) const { return lanes_.contains(piece.lane); }
  std::span<const StateKind> kinds() const { return kinds_; }  // ascending
  Device& device() { return device_; }

  // Address of an owned piece, in the device's memory.
  std::byte* piece(StateKind kind, const Piece& piece);
  // An owned piece to the host's memory, where it is when a mark in device().compute() has been waited for;
  // and from there.
  void read(StateKind kind, const Piece& piece, std::byte* to);
  void write(StateKind kind, const Piece& piece, const std::byte* from);
  // This rank's slices of a bucket, lanes in order: plan.buckets[bucket].slice * lanes().count() elements.
  Buffer& slices(StateKind kind, std::size_t bucket);
  // What move_average works on: all slices of the weights, one set of scalars.
  UpdateList& averaged();
  // Where an owned piece lies in slices(): elements.
  std::int64_t offset_of(const Piece& piece) const {
    return piece.in_bucket - lanes_.begin * plan_.buckets[piece.bucket].slice;
  }

 private:
  const BucketPlan& plan_;
  LaneRange lanes_;
  DataType type_;
  Device& device_;
  std::vector<StateKind> kinds_;
  std::array<std::vector<Buffer>, kStateKinds.size()> buffers_;  // [kind][bucket]; empty: not of this run
  UpdateList averaged_;
};

}  // namespace vitrail::sharding
