// What one image costs a network, as its family declares it: multiply-accumulates by fvcore's rule (linear
// layers, convolutions, matrix products, 5 per LayerNorm element), which the papers' tables follow, and the
// numbers that forward keeps for backward.
#pragma once

#include <cstdint>
#include <vector>

namespace vitrail::models {

// A part that stochastic depth may leave out as a whole.
struct BranchCost {
  int block = 0;              // as Pass::before_block counts
  double rate = 0;            // share of the images that it is left out for
  std::int64_t macs = 0;      // where it is computed, as the next three
  std::int64_t unread = 0;    // of these, for outputs that no head reads: left out
  std::int64_t kept = 0;      // numbers, its input among them
  std::int64_t input = 0;     // of these, what it reads
  bool recomputed = false;    // backward finds its input only, and computes the rest again
  bool shares_input = false;  // with the branch before it; only where nothing is left out
};

struct Costs {
  std::int64_t macs = 0, kept = 0;   // outside of the branches
  std::vector<BranchCost> branches;  // in the order of the forward pass
  std::int64_t segment = 0;          // so many blocks keep their input only; 0: blocks keep everything
  std::int64_t segment_input = 0;    // numbers

  std::int64_t all_macs() const;      // of a forward pass that leaves nothing out
  double macs_in_training() const;    // on average, with what stochastic depth leaves and a head reads
  double macs_deviation() const;      // standard deviation of that: each branch is kept or not
  double macs_again() const;          // that backward computes a second time, on average
  std::int64_t kept_numbers() const;  // on average, and the largest part that backward computes again
};

}  // namespace vitrail::models
