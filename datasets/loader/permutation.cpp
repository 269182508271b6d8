#include "datasets/loader/permutation.hpp"

#include <cmath>

namespace vitrail::datasets {
namespace {

// Large n would do with a few. Where n is small a round holds only a few random bits: at 12 rounds the 120
// orders of 5 samples are still measurably uneven, at 16 no longer.
constexpr std::uint32_t kRounds = 24;
constexpr std::uint64_t kSide = 1 << 12;  // rows and columns of 2^24 samples

std::uint64_t ceil_sqrt(std::uint64_t n) {
  auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
  while (root * root < n) ++root;
  return root;
}

}  // namespace

Permutation::Permutation(const Key& key, std::uint64_t n)
    : key_(key), n_(n), rows_(ceil_sqrt(n)), columns_((n + rows_ - 1) / rows_) {}

std::uint64_t Permutation::once(std::uint64_t value) const {
  std::uint64_t row = value / columns_, column = value % columns_;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const bool moves_row = round % 2 == 0;
    const std::uint64_t fixed = moves_row ? column : row;
    const std::uint64_t radix = moves_row ? rows_ : columns_;
    std::uint64_t& moved = moves_row ? row : column;
    Philox stream(key_.seed, key_.purpose, key_.epoch, key_.id * kSide + fixed, round);
    moved = (moved + stream.below(radix)) % radix;
  }
  return row * columns_ + column;
}

std::uint64_t Permutation::at(std::uint64_t value) const {
  std::uint64_t result = once(value);
  while (result >= n_) result = once(result);
  return result;
}

}  // namespace vitrail::datasets
