#include "sharding/state/weight_average.hpp"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sharding/device/host_device.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::sharding {
namespace {

// tests/peers/make_average_fixtures.py; the parameter is cut over lanes of which this "rank" holds some.
TEST(WeightAverage, IsTimms) {
  HostDevice host;
  const SafetensorsReader file(VITRAIL_FIXTURES "/trainer/average.safetensors");
  const auto shape = file.info("weights").shape;
  const std::int64_t steps = shape[0] - 1, size = shape[1];
  const std::vector<float> weights = file.read_as_float("weights");
  const BucketPlan plan = make_bucket_plan({{"w", size, true}}, 4, 1 << 20);
  const auto cases = nlohmann::json::parse(file.metadata().at("cases"));
  ASSERT_EQ(cases.size(), 4U);
  for (const auto& [name, settings] : cases.items()) {
    const EmaConfig config{settings.at("decay"), settings.at("warmup")};
    const std::vector<float> wanted = file.read_as_float(name);
    LaneState state(plan, {1, 3}, DataType::f32, host, state_kinds(OptimizerName::adamw, true));
    const auto set_weights = [&](std::int64_t step) {
      for (const Piece& piece : plan.pieces) {
        if (!state.owns(piece)) continue;
        const auto first = static_cast<std::size_t>(step * size + piece.in_parameter);
        state.write(StateKind::weight, piece, std::as_bytes(std::span(weights).subspan(first)).data());
      }
    };
    set_weights(0);
    start_average(state);
    std::int64_t compared = 0;
    for (std::int64_t step = 1; step <= steps; ++step) {
      set_weights(step);
      update_average(state, average_decay(config, step));
      for (const Piece& piece : plan.pieces) {
        if (!state.owns(piece)) continue;
        const auto* own = reinterpret_cast<const float*>(state.piece(StateKind::ema, piece));
        for (std::int64_t i = 0; i < piece.elements; ++i, ++compared) {
          const float theirs = wanted[static_cast<std::size_t>((step - 1) * size + piece.in_parameter + i)];
          ASSERT_NEAR(own[i], theirs, 1e-6 * std::max(1.0F, std::abs(theirs))) << name << " step " << step;
        }
      }
    }
    EXPECT_EQ(compared, steps * size / 2) << "two of four lanes";
  }
}

TEST(WeightAverage, OnlyWhereItIsAskedFor) {
  const BucketPlan plan = make_bucket_plan({{"w", 16, true}}, 2, 1 << 20);
  HostDevice host;
  const LaneState without(plan, {0, 2}, DataType::f32, host);
  const LaneState with(plan, {0, 2}, DataType::f32, host, state_kinds(OptimizerName::lamb, true));
  EXPECT_EQ(without.kinds().size(), 3U);
  EXPECT_EQ(with.kinds().size(), 4U);
  EXPECT_EQ(with.kinds().back(), StateKind::ema);
}

}  // namespace
}  // namespace vitrail::sharding
