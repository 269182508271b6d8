#include "sharding/plan/bucket_plan.hpp"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {
namespace {

std::vector<ParameterShape> some_parameters() {
  return {{"cls", 192, false},  {"w0", 5000, true}, {"b0", 7, false},    {"w1", 1, true},
          {"w2", 40'000, true}, {"w3", 9999, true}, {"b1", 1000, false}, {"w4", 64, true}};
}

TEST(BucketPlan, EveryElementHasOnePlaceAndOneOwner) {
  for (std::int64_t lanes = 1; lanes <= 64; lanes *= 2) {
    for (const std::int64_t bucket_elements : {1, 100, 8192, 1 << 20}) {
      const BucketPlan plan = make_bucket_plan(some_parameters(), lanes, bucket_elements);
      std::map<std::size_t, std::vector<char>> used;  // by bucket
      for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
        used[b].resize(static_cast<std::size_t>(plan.buckets[b].slice * lanes));
      }
      std::vector<std::int64_t> seen(plan.parameters.size());
      for (const Piece& piece : plan.pieces) {
        EXPECT_EQ(piece.in_parameter, seen[piece.parameter]) << "pieces of a parameter are in order";
        seen[piece.parameter] += piece.elements;
        const std::int64_t slice = plan.buckets[piece.bucket].slice;
        EXPECT_EQ(piece.in_bucket / slice, piece.lane);
        EXPECT_EQ((piece.in_bucket + piece.elements - 1) / slice, piece.lane);
        EXPECT_EQ(piece.in_bucket - piece.in_parameter, plan.locations[piece.parameter].begin);
        for (std::int64_t i = 0; i < piece.elements; ++i) {
          char& mark = used[piece.bucket].at(static_cast<std::size_t>(piece.in_bucket + i));
          EXPECT_EQ(mark, 0);
          mark = 1;
        }
      }
      for (std::size_t p = 0; p < seen.size(); ++p) EXPECT_EQ(seen[p], plan.parameters[p].elements);
    }
  }
}

TEST(BucketPlan, NonMatricesComeFirstAndMatricesInReverse) {
  const BucketPlan plan = make_bucket_plan(some_parameters(), 4, 12'000);
  EXPECT_EQ(plan.buckets[0].parameters, (std::vector<std::size_t>{0, 2, 6}));
  std::vector<std::size_t> matrices;
  for (std::size_t b = 1; b < plan.buckets.size(); ++b) {
    matrices.insert(matrices.end(), plan.buckets[b].parameters.begin(), plan.buckets[b].parameters.end());
  }
  EXPECT_EQ(matrices, (std::vector<std::size_t>{7, 5, 4, 3, 1}));
  EXPECT_EQ(plan.buckets[1].parameters, (std::vector<std::size_t>{7, 5}));
  EXPECT_EQ(plan.buckets[2].parameters, (std::vector<std::size_t>{4}))
      << "larger than a bucket: one of its own";
}

TEST(BucketPlan, ParametersAreAlignedAndPaddingIsSmall) {
  const BucketPlan plan = make_bucket_plan(some_parameters(), 8, 8192);
  for (const Location& location : plan.locations) EXPECT_EQ(location.begin % kAlignment, 0);
  const auto padding = plan.padded_elements() - plan.parameter_elements();
  const auto bound = kAlignment * static_cast<std::int64_t>(plan.parameters.size() + 8 * plan.buckets.size());
  EXPECT_LE(padding, bound);
}

TEST(BucketPlan, EmptyParametersAreRefused) {
  EXPECT_THROW(make_bucket_plan({}, 1, 100), Error);
  EXPECT_THROW(make_bucket_plan({{"w", 0, true}}, 1, 100), Error);
}

}  // namespace
}  // namespace vitrail::sharding
