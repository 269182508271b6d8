#include "datasets/loader/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/chi_square.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

std::vector<std::uint64_t> ids(std::uint64_t seed, std::uint64_t epoch, std::uint64_t samples) {
  const EpochOrder order(Order::shuffled, seed, epoch, samples);
  std::vector<std::uint64_t> out(samples);
  for (std::uint64_t i = 0; i < samples; ++i) out[i] = order.sample_at(i);
  return out;
}

TEST(SamplerTest, EveryEpochIsAPermutationForEveryN) {
  std::vector<std::uint64_t> sizes(300);
  std::iota(sizes.begin(), sizes.end(), 1);
  for (const std::uint64_t n : {1000, 1023, 1024, 1025, 9999, 10007, 60000}) sizes.push_back(n);
  for (const std::uint64_t n : sizes) {
    std::vector<std::uint64_t> seen = ids(1, n % 5, n);
    std::sort(seen.begin(), seen.end());
    for (std::uint64_t i = 0; i < n; ++i) ASSERT_EQ(seen[i], i) << "N = " << n;
  }
}

TEST(SamplerTest, LargeSetsStayInRangeAndDoNotCollide) {
  const std::uint64_t n = 14'197'122;  // ImageNet-21k
  const EpochOrder order(Order::shuffled, 0, 3, n);
  std::vector<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 20'000; ++i) seen.push_back(order.sample_at(n - 1 - i));
  EXPECT_LT(*std::max_element(seen.begin(), seen.end()), n);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

TEST(SamplerTest, SeedAndEpochDecideTheOrder) {
  EXPECT_EQ(ids(5, 2, 1000), ids(5, 2, 1000));
  for (const auto& other : {ids(5, 3, 1000), ids(6, 2, 1000)}) {
    const auto base = ids(5, 2, 1000);
    int equal = 0;
    for (std::size_t i = 0; i < base.size(); ++i) equal += base[i] == other[i];
    EXPECT_LT(equal, 8);  // Poisson with mean 1
  }
}

// All 24 orders of 4 samples, all 120 of 5, ... come equally often.
TEST(SamplerTest, SmallSetsReachAllPermutationsEquallyOften) {
  for (const auto& [n, permutations] :
       std::map<std::uint64_t, std::size_t>{{2, 2}, {3, 6}, {4, 24}, {5, 120}}) {
    const int per_permutation = 150;
    std::map<std::vector<std::uint64_t>, double> count;
    for (std::size_t epoch = 0; epoch < permutations * per_permutation; ++epoch) ++count[ids(9, epoch, n)];
    ASSERT_EQ(count.size(), permutations) << n;
    std::vector<double> observed;
    for (const auto& entry : count) observed.push_back(entry.second);
    EXPECT_LT(std::abs(tests::chi_square_z(observed, per_permutation)), 4.0) << n;
  }
}

// Where a sample comes, and which sample follows it, is uniform over epochs.
TEST(SamplerTest, PositionsAndNeighboursAreUniform) {
  const std::uint64_t n = 37;
  const int epochs = 4000;
  std::vector<double> place(n * n), follows(n * n);
  for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
    const auto order = ids(3, epoch, n);
    for (std::uint64_t i = 0; i < n; ++i) ++place[i * n + order[i]];
    for (std::uint64_t i = 0; i + 1 < n; ++i) ++follows[order[i] * n + order[i + 1]];
  }
  EXPECT_LT(std::abs(tests::chi_square_z(place, static_cast<double>(epochs) / n)), 4.0);
  std::vector<double> pairs;
  for (std::uint64_t i = 0; i < n * n; ++i) {
    if (i / n != i % n) pairs.push_back(follows[i]);
  }
  EXPECT_LT(std::abs(tests::chi_square_z(pairs, static_cast<double>(epochs) / n)), 4.0);
}

// One epoch of a large set: its batches are unrelated to the file order, seen as 32 x 32 cells and as rising
// pairs.
TEST(SamplerTest, OneLargeEpochIsWellMixed) {
  const std::uint64_t n = 200'000, cells = 32;
  const auto order = ids(1, 0, n);
  std::vector<double> grid(cells * cells);
  double rising = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    ++grid[i * cells / n * cells + order[i] * cells / n];
    if (i > 0) rising += order[i] > order[i - 1];
  }
  EXPECT_LT(std::abs(tests::chi_square_z(grid, static_cast<double>(n) / (cells * cells))), 4.0);
  EXPECT_NEAR(rising, (static_cast<double>(n) - 1) / 2, 4 * std::sqrt(static_cast<double>(n) / 12));
}

TEST(SamplerTest, SequentialOrderIsFileOrder) {
  const EpochOrder order(Order::sequential, 7, 7, 10);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(order.sample_at(i), i);
}

TEST(SamplerTest, StepsAreLocatedWithoutWalking) {
  EXPECT_EQ(steps_per_epoch(103, 10), 10);  // the last 3 are dropped
  EXPECT_EQ(locate_step(0, 103, 10).position, 0U);
  EXPECT_EQ(locate_step(9, 103, 10).position, 90U);
  EXPECT_EQ(locate_step(10, 103, 10).epoch, 1U);
  EXPECT_EQ(locate_step(10, 103, 10).position, 0U);
  EXPECT_EQ(locate_step(1'000'007, 103, 10).epoch, 100'000U);
  EXPECT_EQ(locate_step(1'000'007, 103, 10).position, 70U);
}

TEST(SamplerTest, BatchLargerThanTheDataIsRefusedByName) {
  try {
    steps_per_epoch(99, 100);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::refused);
    EXPECT_NE(std::string(error.what()).find("data.global_batch_size"), std::string::npos);
  }
}

}  // namespace
}  // namespace vitrail::datasets
