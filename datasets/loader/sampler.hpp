// Steps and epochs, and the plain orders of an epoch (a permutation, or the source's own) as pure functions
// of (seed, epoch, N). What lanes make of them: lane_order.hpp. Throws: Error(refused) naming
// data.global_batch_size.
#pragma once

#include <cstdint>

#include "datasets/data_config.hpp"
#include "datasets/loader/permutation.hpp"

namespace vitrail::datasets {

class EpochOrder {
 public:
  // `order`: shuffled or sequential
  EpochOrder(Order order, std::uint64_t seed, std::uint64_t epoch, std::uint64_t samples);

  std::uint64_t sample_at(std::uint64_t position) const;  // position < samples

 private:
  Order order_;
  Permutation permutation_;
};

// floor(N / B): the last N mod B samples of an epoch's order are dropped. Error(refused) if that is 0.
std::int64_t steps_per_epoch(std::int64_t samples, std::int64_t global_batch_size);

// Where a step of the run begins: batch t of an epoch is positions [tB, (t+1)B), lane l takes [tB + l*b, +b).
struct StepPosition {
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;
};
StepPosition locate_step(std::int64_t step, std::int64_t samples, std::int64_t global_batch_size);

}  // namespace vitrail::datasets
