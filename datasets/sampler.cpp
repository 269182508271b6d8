#include "datasets/sampler.hpp"

#include <cmath>

#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

// Large N would do with a few. Where N is small a round holds only a few random bits: at 12 rounds the 120
// orders of 5 samples are still measurably uneven, at 16 no longer.
constexpr std::uint32_t kRounds = 24;

std::uint64_t ceil_sqrt(std::uint64_t n) {
  auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
  while (root * root < n) ++root;
  return root;
}

}  // namespace

EpochOrder::EpochOrder(Order order, std::uint64_t seed, std::uint64_t epoch, std::uint64_t samples)
    : order_(order), seed_(seed), epoch_(epoch), samples_(samples) {
  if (samples == 0) throw Error(ExitCode::refused, "an epoch of 0 samples has no order");
  rows_ = ceil_sqrt(samples);
  columns_ = (samples + rows_ - 1) / rows_;
}

std::uint64_t EpochOrder::permute(std::uint64_t value) const {
  std::uint64_t row = value / columns_, column = value % columns_;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const bool moves_row = round % 2 == 0;
    const std::uint64_t fixed = moves_row ? column : row;
    const std::uint64_t radix = moves_row ? rows_ : columns_;
    std::uint64_t& moved = moves_row ? row : column;
    moved = (moved + Philox(seed_, Purpose::shuffle, epoch_, fixed, round).below(radix)) % radix;
  }
  return row * columns_ + column;
}

std::uint64_t EpochOrder::sample_at(std::uint64_t position) const {
  if (order_ == Order::sequential) return position;
  std::uint64_t id = permute(position);
  while (id >= samples_) id = permute(id);
  return id;
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
