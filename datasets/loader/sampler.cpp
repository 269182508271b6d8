#include "datasets/loader/sampler.hpp"

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

std::uint64_t at_least_one(std::uint64_t samples) {
  if (samples == 0) throw Error(ExitCode::refused, "an epoch of 0 samples has no order");
  return samples;
}

}  // namespace

EpochOrder::EpochOrder(Order order, std::uint64_t seed, std::uint64_t epoch, std::uint64_t samples)
    : order_(order),
      permutation_({.seed = seed, .purpose = Purpose::shuffle, .epoch = epoch}, at_least_one(samples)) {}

std::uint64_t EpochOrder::sample_at(std::uint64_t position) const {
  return order_ == Order::sequential ? position : permutation_.at(position);
}

std::int64_t steps_per_epoch(std::int64_t samples, std::int64_t global_batch_size) {
  const std::int64_t steps = samples / global_batch_size;
  if (steps == 0) {
    throw Error(ExitCode::refused,
                fmt::format("data.global_batch_size = {} is more than the {} training images",
                            global_batch_size, samples),
                "lower data.global_batch_size");
  }
  return steps;
}

StepPosition locate_step(std::int64_t step, std::int64_t samples, std::int64_t global_batch_size) {
  const std::int64_t steps = steps_per_epoch(samples, global_batch_size);
  return {static_cast<std::uint64_t>(step / steps),
          static_cast<std::uint64_t>(step % steps * global_batch_size)};
}

}  // namespace vitrail::datasets
