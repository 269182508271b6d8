#include "datasets/loader/lane_order.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/chi_square.hpp"

namespace vitrail::datasets {
namespace {

OrderPlan plan_of(Order order, std::uint64_t samples, std::int64_t batch, std::uint64_t lanes,
                  std::int64_t copies = 1, std::int64_t extent = 5, std::int64_t window = 3) {
  OrderPlan plan{.data = {}, .seed = 3, .samples = samples, .lanes = lanes};
  plan.data.order = order;
  plan.data.global_batch_size = batch;
  plan.data.extent_images = extent;
  plan.data.window_extents = window;
  plan.data.repeated_augmentation = copies;
  return plan;
}

std::string text_of(const OrderPlan& plan) {
  return "N " + std::to_string(plan.samples) + " B " + std::to_string(plan.data.global_batch_size) + " L " +
         std::to_string(plan.lanes) + " R " + std::to_string(plan.data.repeated_augmentation) + " K " +
         std::to_string(plan.data.extent_images) + " W " + std::to_string(plan.data.window_extents);
}

// Sizes with every kind of remainder: of batch, lanes, extents, windows; smaller than an extent, than a
// batch.
std::vector<OrderPlan> awkward_plans(Order order, std::int64_t copies) {
  std::vector<OrderPlan> plans;
  for (const std::uint64_t lanes : {1U, 2U, 4U, 8U}) {
    for (const std::int64_t b : {1, 2, 3, 10}) {
      const std::int64_t batch = b * static_cast<std::int64_t>(lanes);
      for (const std::uint64_t samples : {80U, 81U, 97U, 128U, 331U, 1000U}) {
        for (const auto& [extent, window] : {std::pair{1, 1}, {5, 3}, {7, 1}, {64, 2}, {500, 8}}) {
          if (copies > static_cast<std::int64_t>(lanes)) continue;
          plans.push_back(plan_of(order, samples, batch, lanes, copies, extent, window));
        }
      }
    }
  }
  return plans;
}

TEST(LaneOrderTest, AnEpochShowsEachSampleAtMostOnceAndDropsTheRemainder) {
  for (const Order order : {Order::shuffled, Order::window, Order::sequential}) {
    for (const OrderPlan& plan : awkward_plans(order, 1)) {
      std::set<std::uint64_t> seen;
      for (std::uint64_t lane = 0; lane < plan.lanes; ++lane) {
        for (std::uint64_t item = 0; item < plan.stream_length(); ++item) {
          seen.insert(pick_sample(plan, 2, lane, item).sample);
        }
      }
      const auto batch = static_cast<std::uint64_t>(plan.data.global_batch_size);
      ASSERT_EQ(seen.size(), plan.samples / batch * batch) << text_of(plan);
      ASSERT_LT(*seen.rbegin(), plan.samples) << text_of(plan);
    }
  }
}

// DeiT's RASampler (deit/samplers.py): N / R images an epoch, the R copies on R different ranks.
TEST(LaneOrderTest, CopiesOfAnImageLieInDifferentLanes) {
  for (const Order order : {Order::shuffled, Order::window, Order::sequential}) {
    for (const std::int64_t copies : {2, 3, 8}) {
      for (const OrderPlan& plan : awkward_plans(order, copies)) {
        std::map<std::uint64_t, std::map<std::uint32_t, std::uint64_t>> lanes_of;  // sample -> copy -> lane
        for (std::uint64_t lane = 0; lane < plan.lanes; ++lane) {
          for (std::uint64_t item = 0; item < plan.stream_length(); ++item) {
            const Pick pick = pick_sample(plan, 1, lane, item);
            ASSERT_TRUE(lanes_of[pick.sample].emplace(pick.copy, lane).second) << text_of(plan);
          }
        }
        std::uint64_t whole = 0;
        for (const auto& [sample, lanes] : lanes_of) {
          std::set<std::uint64_t> distinct;
          for (const auto& [copy, lane] : lanes) distinct.insert(lane);
          ASSERT_EQ(distinct.size(), lanes.size()) << text_of(plan);
          whole += lanes.size() == static_cast<std::size_t>(copies) ? 1 : 0;
        }
        const std::uint64_t of_each_lane = plan.stream_length() / static_cast<std::uint64_t>(copies);
        ASSERT_GE(whole, plan.lanes * of_each_lane) << text_of(plan);
        ASSERT_LE(lanes_of.size(), plan.lanes * (of_each_lane + 1)) << text_of(plan);
      }
    }
  }
}

TEST(LaneOrderTest, ALaneBatchHasNoImageTwice) {
  const OrderPlan plan = plan_of(Order::shuffled, 500, 64, 4, 3);
  for (std::uint64_t lane = 0; lane < 4; ++lane) {
    for (std::uint64_t step = 0; step < 7; ++step) {
      std::set<std::uint64_t> samples;
      for (std::uint64_t i = 0; i < 16; ++i) samples.insert(pick_sample(plan, 0, lane, step * 16 + i).sample);
      EXPECT_EQ(samples.size(), 16U);
    }
  }
}

// What is read for a window is what the window shows, in few runs of neighbours.
TEST(WindowOrderTest, RunsHoldJustTheirWindow) {
  for (const OrderPlan& plan : awkward_plans(Order::window, 1)) {
    const WindowOrder order(plan, 4);
    const auto extent = static_cast<std::uint64_t>(plan.data.extent_images);
    std::uint64_t runs = 0, item = 0;
    for (std::uint64_t lane = 0; lane < plan.lanes; ++lane) {
      item = 0;
      for (std::uint64_t window = 0; window < order.windows(); ++window) {
        std::map<std::uint64_t, std::uint64_t> run_of;
        for (std::uint64_t run = 0; run < order.runs(lane, window); ++run) {
          const SampleRun range = order.run(lane, window, run);
          ASSERT_LE(range.count, extent) << text_of(plan);
          for (std::uint64_t i = 0; i < range.count; ++i) run_of[(range.first + i) % plan.samples] = run;
          ++runs;
        }
        const std::size_t shown = run_of.size();
        ASSERT_EQ(order.window_begin(window), item);
        for (; item < plan.stream_length() && order.window_of(item) == window; ++item) {
          const WindowOrder::Spot spot = order.at(lane, item);
          ASSERT_EQ(spot.window, window);
          ASSERT_EQ(run_of.at(spot.sample), spot.run) << text_of(plan);
        }
        ASSERT_EQ(shown, item - order.window_begin(window)) << text_of(plan);
      }
      ASSERT_EQ(item, plan.stream_length());
    }
    // A run ends where its extent does, or its window.
    const std::uint64_t windows = plan.lanes * order.windows();
    EXPECT_LE(runs, plan.lanes * plan.stream_length() / extent + 2 * windows + 1) << text_of(plan);
  }
}

// Over epochs a sample comes everywhere, and none is left out more often than another: 37 = 2 * 16 + 5.
TEST(WindowOrderTest, EverySampleComesEverywhereEquallyOften) {
  const OrderPlan plan = plan_of(Order::window, 37, 16, 2, 1, 5, 2);
  std::vector<double> place(37 * 32), seen(37);
  constexpr int kEpochs = 6000;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (std::uint64_t lane = 0; lane < 2; ++lane) {
      for (std::uint64_t item = 0; item < 16; ++item) {
        const std::uint64_t sample = pick_sample(plan, epoch, lane, item).sample;
        ++seen[sample];
        ++place[sample * 32 + lane * 16 + item];
      }
    }
  }
  EXPECT_LT(std::abs(tests::chi_square_z(seen, kEpochs * 32.0 / 37)), 4.0);
  EXPECT_LT(std::abs(tests::chi_square_z(place, kEpochs / 37.0)), 4.0);
}

TEST(WindowOrderTest, LargeSetsAreInRangeAtOnce) {
  const OrderPlan plan = plan_of(Order::window, 14'197'122, 4096, 64, 1, 128, 8);  // ImageNet-21k
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    seen.insert(pick_sample(plan, 299, 63, plan.stream_length() - 1 - i).sample);
  }
  EXPECT_EQ(seen.size(), 5000U);
  EXPECT_LT(*seen.rbegin(), plan.samples);
}

}  // namespace
}  // namespace vitrail::datasets
