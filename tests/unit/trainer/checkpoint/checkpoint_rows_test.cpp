#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"

namespace vitrail::trainer {
namespace {

// Four lanes of ten samples: 3, 3, 2 and 2.
TEST_F(CheckpointTest, WhatIsRememberedOfSamplesIsTheSameWhateverRanksWroteIt) {
  const CheckpointReader one(save<float>(1, {.samples = 10}));
  const std::string hash = state_hash(one, StatePart::all);
  EXPECT_EQ(one.rows(), (sharding::RowsShape{10, 3, 4}));
  std::vector<float> row(3);
  for (std::int64_t sample = 0; sample < 10; ++sample) {
    one.read_rows(sample % 4, sample / 4, std::as_writable_bytes(std::span(row)));
    const auto first = static_cast<float>(3 * sample);
    EXPECT_EQ(row, (std::vector<float>{first, first + 1, first + 2})) << sample;
  }
  for (const int world : {2, 3, 4})
    EXPECT_EQ(state_hash(CheckpointReader(save<float>(world, {.samples = 10})), StatePart::all), hash)
        << world;
  // Fewer samples than lanes, and other lanes: the same numbers in the same order.
  const std::string few = state_hash(CheckpointReader(save<float>(3, {.samples = 3})), StatePart::all);
  EXPECT_NE(few, hash);
  EXPECT_EQ(state_hash(CheckpointReader(save<float>(2, {.lanes = 2, .samples = 3})), StatePart::all), few);
  EXPECT_EQ(CheckpointReader(save<float>(2, {})).rows().samples, 0);
}

}  // namespace
}  // namespace vitrail::trainer
