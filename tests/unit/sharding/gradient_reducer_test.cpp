#include "sharding/state/gradient_reducer.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>

#include <gtest/gtest.h>

#include "sharding/comm/communication_queue.hpp"
#include "tests/support/place.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::sharding {
namespace {

std::vector<ParameterShape> parameters() {
  return {{"bias", 100, false}, {"w0", 3000, true}, {"w1", 777, true}};
}

template <class Real>
std::vector<Real> gradient(std::int64_t lane, std::size_t parameter) {
  std::vector<Real> values(static_cast<std::size_t>(parameters()[parameter].elements));
  Philox random(1, Purpose::test, static_cast<std::uint64_t>(lane), parameter);
  // Magnitudes over many octaves: a sum in another order has other bits.
  for (Real& value : values) value = static_cast<Real>(random.normal() * std::exp(6 * random.normal()));
  return values;
}

// The tree over lanes, written as its definition.
template <class Real>
std::vector<Real> tree_sum(std::int64_t begin, std::int64_t end, std::size_t parameter) {
  if (end - begin == 1) return gradient<Real>(begin, parameter);
  const std::int64_t middle = (begin + end) / 2;
  std::vector<Real> left = tree_sum<Real>(begin, middle, parameter);
  const std::vector<Real> right = tree_sum<Real>(middle, end, parameter);
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = left[i] + right[i];
  return left;
}

template <class Real>
DataType type_of() {
  return sizeof(Real) == 8 ? DataType::f64 : DataType::f32;
}

// Sums of all parameters as the ranks of `exchange` make them in the second of two steps; the first has other
// gradients, so that its sums cannot pass for them. bf16 gradients are the upper halves of the floats.
// Devices work as late as they may.
template <class Real>
std::vector<std::vector<Real>> reduce(const ReducerOptions& settings, const ExchangePlan& exchange,
                                      std::int64_t bucket_elements, tests::Way way = tests::Way::host) {
  const BucketPlan plan = make_bucket_plan(parameters(), exchange.lanes, bucket_elements);
  std::vector<std::vector<Real>> sums;
  for (const ParameterShape& p : plan.parameters) sums.emplace_back(static_cast<std::size_t>(p.elements));
  std::mutex mutex;
  tests::run_world(exchange.world, [&](Communicator& communicator) {
    tests::Place place(communicator, way);
    std::vector<Buffer> brought;  // until the end: giving memory back waits
    CommunicationQueue queue(place.ranks());
    GradientReducer reducer(plan, exchange, settings, queue, place.device());
    const LaneRange own = reducer.layout().lanes, held = reducer.layout().held;
    for (int step = 0; step < 2; ++step) {
      for (std::int64_t lane = own.begin; lane < own.end; ++lane) {
        reducer.begin_lane(lane);
        for (std::size_t p = plan.parameters.size(); p-- > 0;) {
          const std::vector<Real> g = gradient<Real>(step == 0 ? lane + exchange.lanes : lane, p);
          std::vector<std::uint16_t> upper;
          for (const Real value : g) {
            upper.push_back(
                static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16));
          }
          const bool half = reducer.type_of(p) == DataType::bf16;
          Buffer& on_device =
              brought.emplace_back(reducer.type_of(p), static_cast<std::int64_t>(g.size()), place.device());
          place.put(half ? reinterpret_cast<const std::byte*>(upper.data())
                         : reinterpret_cast<const std::byte*>(g.data()),
                    g.size() * size_of(on_device.type()), on_device.data());
          reducer.add(p, on_device.data());
        }
        reducer.end_lane();
      }
      reducer.exchange();
    }
    const std::lock_guard lock(mutex);
    for (const Piece& piece : plan.pieces) {
      if (!held.contains(piece.lane)) continue;
      const std::int64_t first = piece.in_bucket - held.begin * plan.buckets[piece.bucket].slice;
      place.get(reducer.sum(piece.bucket) + static_cast<std::size_t>(first) * sizeof(Real),
                static_cast<std::size_t>(piece.elements) * sizeof(Real),
                reinterpret_cast<std::byte*>(sums[piece.parameter].data() + piece.in_parameter));
    }
  });
  return sums;
}

template <class Real>
class GradientReducerTest : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(GradientReducerTest, Reals);

constexpr std::array kTreeRoutes = {ExchangeRoute::direct, ExchangeRoute::two_level, ExchangeRoute::halving};

ExchangePlan on_one_node(std::int64_t lanes, int world, ExchangeRoute route = ExchangeRoute::direct) {
  return exchange_plan(route, lanes, one_node(world));
}

TYPED_TEST(GradientReducerTest, AnyNumberOfRanksGivesTheBitsOfTheTree) {
  const ReducerOptions settings{type_of<TypeParam>(), type_of<TypeParam>(), {}};
  for (const std::int64_t lanes : {1, 2, 8}) {
    std::vector<std::vector<TypeParam>> expected;
    for (std::size_t p = 0; p < parameters().size(); ++p)
      expected.push_back(tree_sum<TypeParam>(0, lanes, p));
    for (int world = 1; world <= lanes; ++world) {
      for (const std::int64_t bucket : {500, 100'000}) {
        for (const ExchangeRoute route : kTreeRoutes) {
          const ExchangePlan exchange = exchange_plan(route, lanes, full_nodes(world, 2));
          EXPECT_EQ(reduce<TypeParam>(settings, exchange, bucket), expected)
              << world << " ranks, " << lanes << " lanes";
        }
      }
    }
  }
}

TEST(GradientReducer, OtherOrdersHaveOtherBits) {  // else the test above could not fail
  std::vector<float> sequential(3000);
  for (std::int64_t lane = 0; lane < 8; ++lane) {
    const std::vector<float> g = gradient<float>(lane, 1);
    for (std::size_t i = 0; i < g.size(); ++i) sequential[i] += g[i];
  }
  EXPECT_NE(sequential, tree_sum<float>(0, 8, 1));
}

TEST(GradientReducer, StagesAndTypesOfSumsDoNotDependOnRanks) {
  constexpr std::int64_t kLanes = 8;
  for (const DataType matrix_type : {DataType::f32, DataType::bf16}) {
    const auto expected = reduce<float>({.matrix_type = matrix_type}, on_one_node(kLanes, 1), 500);
    for (const int world : {1, 2, 3, 8}) {
      for (const std::int64_t stage : {0, 1, 2}) {
        if (stage == 2 && world != kLanes) continue;
        const ReducerOptions settings{.matrix_type = matrix_type, .stage = stage_of(stage)};
        for (const ExchangeRoute route : kTreeRoutes) {
          const ExchangePlan exchange = exchange_plan(route, kLanes, full_nodes(world, 2));
          for (const tests::Way way : tests::kWays) {
            const bool may_add_beside = way != tests::Way::host;
            const ReducerOptions options = may_add_beside ? with_turns(settings, route) : settings;
            EXPECT_EQ(reduce<float>(options, exchange, 500, way), expected)
                << name_of(matrix_type) << ", " << world << " ranks, stage " << stage << ", " << name_of(way)
                << ", " << options.in_turn << " in turn";
          }
        }
      }
    }
  }
  EXPECT_NE(reduce<float>({.matrix_type = DataType::bf16}, on_one_node(kLanes, 1), 500),
            reduce<float>({}, on_one_node(kLanes, 1), 500));
}

// In an order of the library's: here rank by rank, each rank's lanes by their tree.
TEST(GradientReducer, FastSumsAreThoseOfTheRanksInTheLibrarysOrder) {
  constexpr std::int64_t kLanes = 8;
  const auto exact = reduce<float>({}, on_one_node(kLanes, 1), 500);
  for (const int world : {1, 2, 4, 8}) {
    for (const std::int64_t stage : {0, 1, 2}) {
      if (stage == 2 && world != kLanes) continue;
      for (const tests::Way way : tests::kWays) {
        const auto fast = reduce<float>({.stage = stage_of(stage)},
                                        on_one_node(kLanes, world, ExchangeRoute::library), 500, way);
        for (std::size_t p = 0; p < parameters().size(); ++p) {
          std::vector<float> expected = tree_sum<float>(0, kLanes / world, p);
          for (std::int64_t lane = kLanes / world; lane < kLanes; lane += kLanes / world) {
            const std::vector<float> next = tree_sum<float>(lane, lane + kLanes / world, p);
            for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += next[i];
          }
          EXPECT_EQ(fast[p], expected) << world << " ranks, stage " << stage;
        }
        EXPECT_EQ(fast == exact, world <= 2);  // two ranks are one addition in either order
      }
    }
  }
}

// How many sums a device has made when each call is carried out.
class SumsBeforeCalls final : public InterceptedCommunicator {
 public:
  explicit SumsBeforeCalls(Communicator& inner) : InterceptedCommunicator(inner) {}
  const tests::LazyDevice* device = nullptr;
  std::vector<std::uint64_t> sums;

 private:
  void around(const Call& call, const std::function<void()>& forward) override {
    if (call.kind == CallKind::exchange) sums.push_back(device->sums_made());
    forward();
  }
};

std::vector<std::uint64_t> sums_before_calls(std::size_t in_turn) {
  constexpr int kRanks = 4;
  const ExchangePlan exchange = on_one_node(kRanks, kRanks, ExchangeRoute::halving);
  const BucketPlan plan = make_bucket_plan(parameters(), kRanks, 500);
  std::vector<std::uint64_t> sums;
  tests::run_world(kRanks, [&](Communicator& communicator) {
    SumsBeforeCalls counter(communicator);
    tests::Place place(counter, tests::Way::device);
    counter.device = &dynamic_cast<tests::LazyDevice&>(place.device());
    GradientReducer(plan, exchange, {.in_turn = in_turn}, place.ranks(), place.device()).exchange();
    place.device().exchange().finish();
    if (communicator.rank() == 0) sums = counter.sums;
  });
  return sums;
}

// A rank of four has two rounds with an addition each for a bucket; the three buckets' calls follow each
// other.
TEST(GradientReducer, ACallDoesNotWaitForTheSumsOfTheBucketThatItTakesTurnsWith) {
  EXPECT_EQ(sums_before_calls(1), (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(sums_before_calls(2), (std::vector<std::uint64_t>{0, 0, 1, 2, 3, 5}));
}

TEST(GradientReducer, SendsTheBoundAtPowersOfTwo) {
  constexpr std::int64_t kLanes = 8;
  const BucketPlan plan = make_bucket_plan(parameters(), kLanes, 500);
  for (const int world : {1, 2, 4, 8}) {
    for (const ExchangeRoute route :
         {ExchangeRoute::direct, ExchangeRoute::two_level, ExchangeRoute::halving, ExchangeRoute::library}) {
      const ExchangePlan exchange = exchange_plan(route, kLanes, full_nodes(world, 2));
      tests::run_world(world, [&](Communicator& communicator) {
        HostDevice host;
        GradientReducer reducer(plan, exchange, {}, communicator, host);
        const std::int64_t before = communicator.traffic().elements_sent;
        reducer.exchange();
        EXPECT_EQ(communicator.traffic().elements_sent - before,
                  plan.padded_elements() / world * (world - 1));
      });
    }
  }
}

TEST(GradientReducer, MissingAndDoubleGradientsAreNamed) {
  const BucketPlan plan = make_bucket_plan(parameters(), 1, 500);
  tests::run_world(1, [&](Communicator& communicator) {
    HostDevice host;
    GradientReducer reducer(plan, on_one_node(1, 1), {}, communicator, host);
    const std::vector<float> g(3000);
    const auto* bytes = reinterpret_cast<const std::byte*>(g.data());
    reducer.begin_lane(0);
    reducer.add(1, bytes);
    EXPECT_THROW(reducer.add(1, bytes), Error);
    reducer.add(0, bytes);
    try {
      reducer.end_lane();
      FAIL() << "no error";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("w1"), std::string::npos);
    }
  });
}

}  // namespace
}  // namespace vitrail::sharding
