// The order of an epoch as a pure function of (seed, epoch, N): position -> sample id in O(1) memory and
// time. A Feistel network on the mixed-radix square a x b >= N whose round functions are single Philox draws;
// the few results >= N (fewer than sqrt(N) + 1) are sent through again until they fall inside (cycle
// walking), which keeps it a bijection of 0 .. N-1. Throws: Error(refused) naming data.global_batch_size.
// Source: Black and Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002.
#pragma once

#include <cstdint>

#include "datasets/data_config.hpp"

namespace vitrail::datasets {

class EpochOrder {
 public:
  EpochOrder(Order order, std::uint64_t seed, std::uint64_t epoch, std::uint64_t samples);

  std::uint64_t sample_at(std::uint64_t position) const;  // position < samples

 private:
  std::uint64_t permute(std::uint64_t value) const;  // bijection of 0 .. rows_ * columns_ - 1

  Order order_;
  std::uint64_t seed_, epoch_, samples_;
  std::uint64_t rows_ = 1, columns_ = 1;
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
