#include "trainer/base/philox.hpp"

#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail {
namespace {

Philox stream(std::uint64_t id, std::uint32_t sub = 0) { return Philox(7, Purpose::test, 3, id, sub); }

// Random123's kat_vectors: philox4x32 10 rounds, counter and key zero but for our purpose bits.
TEST(PhiloxTest, SameKeySameDrawsOtherKeyOtherDraws) {
  Philox a = stream(1), b = stream(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next_u64(), b.next_u64());
  seen.insert(stream(1).next_u64());
  EXPECT_TRUE(seen.insert(stream(2).next_u64()).second);
  EXPECT_TRUE(seen.insert(stream(1, 1).next_u64()).second);
  EXPECT_TRUE(seen.insert(stream(1ULL << 39).next_u64()).second);
  EXPECT_TRUE(seen.insert(Philox(8, Purpose::test, 3, 1).next_u64()).second);
  EXPECT_TRUE(seen.insert(Philox(7, Purpose::init, 3, 1).next_u64()).second);
  EXPECT_TRUE(seen.insert(Philox(7, Purpose::test, 4, 1).next_u64()).second);
}

TEST(PhiloxTest, SeekReachesAnyDraw) {
  Philox sequential = stream(5);
  std::vector<std::uint32_t> draws(41);
  for (auto& d : draws) d = sequential.next_u32();
  for (std::size_t i = 0; i < draws.size(); ++i) {
    Philox jumped = stream(5);
    jumped.seek(i);
    EXPECT_EQ(jumped.next_u32(), draws[i]) << i;
  }
}

TEST(PhiloxTest, OutOfRangeKeysAreRefused) {
  EXPECT_THROW(Philox(0, Purpose::test, 1ULL << 40, 0), Error);
  EXPECT_THROW(Philox(0, Purpose::test, 0, 1ULL << 40), Error);
  EXPECT_THROW(Philox(0, Purpose::test, 0, 0, 1U << 16), Error);
}

struct Moments {
  double mean, variance;
};
template <class Draw>
Moments moments(Draw draw, int n = 200'000) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / n;
  return {mean, squares / n - mean * mean};
}

TEST(PhiloxTest, LawsHaveTheirMeanAndVariance) {
  Philox g = stream(11);
  const Moments uniform = moments([&] { return g.uniform(); });
  EXPECT_NEAR(uniform.mean, 0.5, 0.004);
  EXPECT_NEAR(uniform.variance, 1.0 / 12, 0.001);
  const Moments normal = moments([&] { return g.normal(); });
  EXPECT_NEAR(normal.mean, 0, 0.012);
  EXPECT_NEAR(normal.variance, 1, 0.02);
  for (const double a : {0.2, 0.8, 1.0, 3.0}) {
    const Moments gamma = moments([&] { return g.gamma(a); });
    EXPECT_NEAR(gamma.mean, a, 0.03) << a;
    EXPECT_NEAR(gamma.variance, a, 0.08) << a;
    const Moments beta = moments([&] { return g.beta(a, a); });
    EXPECT_NEAR(beta.mean, 0.5, 0.006) << a;
    EXPECT_NEAR(beta.variance, 1 / (4 * (2 * a + 1)), 0.003) << a;
  }
}

TEST(PhiloxTest, BelowIsUniform) {
  Philox g = stream(12);
  std::vector<int> count(7);
  for (int i = 0; i < 70'000; ++i) ++count.at(g.below(7));
  for (const int c : count) EXPECT_NEAR(c, 10'000, 450);
}

}  // namespace
}  // namespace vitrail
