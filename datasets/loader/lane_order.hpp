// Which sample every lane shows when: a pure function of the plan, never of ranks or threads, so a run
// resumes anywhere without walking.
#pragma once

#include <cstdint>

#include "datasets/data_config.hpp"
#include "datasets/loader/permutation.hpp"

namespace vitrail::datasets {

// An epoch is T = floor(N / B) steps. Each lane has a stream of T*b samples, b = B/L; no two streams share a
// sample, and the last N mod B samples of the epoch's sequence are in none.
//   shuffled, sequential: item s of lane l's stream is place (s / b) * B + l * b + s % b of the sequence.
//   window: the sequence is made of extents of K consecutive samples in random order; lane l's stream is the
//     l-th stretch of T*b places of it, permuted inside windows of W extents.
// With R copies, item i of a lane is copy c = i mod R of item i / R of the stream of lane (l - c) mod L:
// copies lie in R lanes, a lane batch has no sample twice, an epoch shows about N / R samples (as DeiT's
// RASampler).
struct OrderPlan {
  DataConfig data;
  std::uint64_t seed = 0;
  std::uint64_t samples = 0;  // N
  std::uint64_t lanes = 1;    // L

  std::uint64_t lane_batch() const { return static_cast<std::uint64_t>(data.global_batch_size) / lanes; }
  std::uint64_t stream_length() const {  // T*b
    return samples / static_cast<std::uint64_t>(data.global_batch_size) * lane_batch();
  }
};

// Consecutive samples first, first + 1, ... modulo N.
struct SampleRun {
  std::uint64_t first = 0, count = 0;
  bool operator==(const SampleRun&) const = default;
};

// The streams of one epoch in window mode.
class WindowOrder {
 public:
  WindowOrder(const OrderPlan& plan, std::uint64_t epoch);

  struct Spot {
    std::uint64_t sample = 0;
    std::uint64_t window = 0;
    std::uint64_t run = 0;  // of the window: run(lane, window, run) holds the sample
  };
  Spot at(std::uint64_t lane, std::uint64_t item) const;

  std::uint64_t windows() const { return (length_ + window_ - 1) / window_; }  // of each lane
  std::uint64_t window_of(std::uint64_t item) const { return item / window_; }
  std::uint64_t window_begin(std::uint64_t window) const { return window * window_; }  // its first item
  // What the lane reads for a window: its parts of extents, each to be read at once.
  std::uint64_t runs(std::uint64_t lane, std::uint64_t window) const;
  SampleRun run(std::uint64_t lane, std::uint64_t window, std::uint64_t run) const;

 private:
  std::uint64_t window_end(std::uint64_t window) const;
  std::uint64_t extent_begin(std::uint64_t extent) const;  // first sample, not yet modulo N

  std::uint64_t seed_, epoch_, samples_, length_, extent_, window_;
  std::uint64_t whole_;   // extents of full length; what is left, N mod K, comes last
  std::uint64_t offset_;  // where the first extent begins: every epoch leaves out others
  Permutation extents_;
};

struct Pick {
  std::uint64_t sample = 0;
  std::uint32_t copy = 0;
  std::uint64_t lane = 0, item = 0;  // whose stream it is from, and where there
};

Pick pick_sample(const OrderPlan& plan, std::uint64_t epoch, std::uint64_t lane, std::uint64_t item);

}  // namespace vitrail::datasets
