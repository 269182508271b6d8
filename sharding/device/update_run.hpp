// What a device's update kernels work on: runs of elements of one parameter, and the numbers of a step that
// all runs of a parameter share. C++17, for the CUDA compiler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sharding/device/update_kernels.hpp"

namespace vitrail::sharding {

enum class UpdateKernel : std::uint8_t {
  clip,            // squares: of sum, and of sum brought to [-factor, factor]; factor 0 leaves it
  adamw,           //
  sgd,             // exp_avg is the momentum
  lamb_direction,  // weight *= factor, then sum becomes the update; squares: of weight, of the update
  apply_update,    // weight -= factor * sum
  move_average,    // average += factor * (weight - average)
  squares,         // squares: of sum, of weight
  scale,           // sum *= factor; factor 1 leaves it
  follow,          // weight += factor * (gradient_scale * sum - weight)
};

// The longest run: all its arrays together fit a second-level cache. Sums over a parameter add its runs in
// order, so this length is a part of what makes the bits.
inline constexpr std::int64_t kUpdateRun = 1 << 15;

// Addresses in the device's memory; null: the kernel does not touch it.
struct UpdateRun {
  std::int64_t elements = 0;
  std::byte* sum = nullptr;
  std::byte* weight = nullptr;
  std::byte* exp_avg = nullptr;
  std::byte* exp_avg_sq = nullptr;
  std::byte* average = nullptr;
  std::int64_t scalars = 0;  // which of the update's
};

struct UpdateScalars {
  UpdateStep step;
  double factor = 0;
};

}  // namespace vitrail::sharding
