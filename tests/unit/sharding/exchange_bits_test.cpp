// One hash of the sums and of the gathered weights in every world, on every placement, by every plan, in
// every type and stage. VITRAIL_LONG: worlds up to 512 ranks.
#include <cstdlib>
#include <cstring>
#include <mutex>

#include <gtest/gtest.h>

#include "sharding/device/host_device.hpp"
#include "sharding/plan/exchange_plan.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "tests/support/placements.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::sharding {
namespace {

// A lane's gradient: any bits that are finite numbers of the type, over many octaves.
std::vector<std::byte> random_numbers(DataType type, std::int64_t n, std::int64_t lane,
                                      std::size_t parameter) {
  Philox random(7, Purpose::test, static_cast<std::uint64_t>(lane), parameter);
  std::vector<std::byte> bytes(static_cast<std::size_t>(n) * size_of(type));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto bits = random.next_u32();
    const std::uint32_t octave = bits % 13;
    const auto half = static_cast<std::uint16_t>(
        (bits >> 16 & 0x83ffU) | (type == DataType::f16 ? (octave + 6) << 10 : (octave + 120) << 7));
    const std::uint32_t single = (bits & 0x807fffffU) | (octave + 120) << 23;
    if (size_of(type) == 2) {
      std::memcpy(&bytes[static_cast<std::size_t>(i) * 2], &half, 2);
    } else {
      std::memcpy(&bytes[static_cast<std::size_t>(i) * 4], &single, 4);
    }
  }
  return bytes;
}

BucketPlan small_model(std::int64_t lanes) {
  return make_bucket_plan({{"bias", 90, false}, {"w0", 5 * lanes, true}, {"w1", 33 * lanes + 7, true}}, lanes,
                          40 * lanes);
}

void add_all_lanes(GradientReducer& reducer, const BucketPlan& plan) {
  for (std::int64_t lane = reducer.layout().lanes.begin; lane < reducer.layout().lanes.end; ++lane) {
    reducer.begin_lane(lane);
    for (std::size_t p = plan.parameters.size(); p-- > 0;) {
      reducer.add(p, random_numbers(reducer.type_of(p), plan.parameters[p].elements, lane, p).data());
    }
    reducer.end_lane();
  }
}

// Of all slices of the sums, as their owners have them after two steps, and of what a gather of them brings.
std::vector<std::string> hashes_of(const ExchangePlan& exchange, const ReducerOptions& settings) {
  const BucketPlan plan = small_model(exchange.lanes);
  std::vector<std::vector<std::byte>> sums;
  for (const Bucket& b : plan.buckets) sums.emplace_back(static_cast<std::size_t>(b.slice * plan.lanes) * 4);
  std::vector<std::string> gathered(static_cast<std::size_t>(exchange.world));
  std::mutex mutex;
  tests::run_world(exchange.world, [&](Communicator& ranks) {
    HostDevice host;
    GradientReducer reducer(plan, exchange, settings, ranks, host);
    for (int step = 0; step < 2; ++step) {
      add_all_lanes(reducer, plan);
      reducer.exchange();
    }
    const LaneRange own = reducer.layout().own, held = reducer.layout().held;
    std::vector<Buffer> weights;
    std::vector<BucketData> views;
    for (const Bucket& b : plan.buckets) weights.emplace_back(DataType::f32, b.slice * plan.lanes, host);
    for (const Piece& piece : plan.pieces) {  // padding may hold anything
      if (!own.contains(piece.lane)) continue;
      const std::int64_t first = held.begin * plan.buckets[piece.bucket].slice;
      const auto bytes = static_cast<std::size_t>(piece.elements) * 4;
      const std::byte* from = reducer.sum(piece.bucket) + (piece.in_bucket - first) * 4;
      std::memcpy(weights[piece.bucket].at(piece.in_bucket), from, bytes);
      const std::lock_guard lock(mutex);
      std::memcpy(sums[piece.bucket].data() + piece.in_bucket * 4, from, bytes);
    }
    for (Buffer& buffer : weights) views.push_back({buffer.data(), DataType::f32});
    ParameterGather gather(plan, exchange, own, ranks, host);
    gather.start(views);
    gather.finish();
    Hasher hasher;
    for (Buffer& buffer : weights) hasher.update(std::as_bytes(buffer.as<float>()));
    gathered[static_cast<std::size_t>(ranks.rank())] = hasher.digest().hex();
  });
  Hasher hasher;
  for (const std::vector<std::byte>& bucket : sums) hasher.update(bucket);
  gathered.push_back(hasher.digest().hex());
  return gathered;
}

void expect_one_hash(std::int64_t lanes, const std::vector<int>& worlds, const ReducerOptions& settings,
                     const std::vector<ExchangeRoute>& routes) {
  const ExchangePlan alone = exchange_plan(ExchangeRoute::direct, lanes, one_node(1));
  const std::string expected = hashes_of(alone, {.matrix_type = settings.matrix_type}).front();
  for (const int world : worlds) {
    for (const Topology& topology : tests::placements(world)) {
      for (const ExchangeRoute route : routes) {
        if (route == ExchangeRoute::direct && topology.nodes() > 1) continue;  // does not look at nodes
        const ExchangePlan exchange = exchange_plan(route, lanes, topology);
        for (const std::string& hash : hashes_of(exchange, settings)) {
          ASSERT_EQ(hash, expected) << world << " ranks on " << topology.nodes() << " nodes";
        }
      }
    }
  }
}

const std::vector<ExchangeRoute> kExactRoutes = {ExchangeRoute::direct, ExchangeRoute::two_level,
                                                 ExchangeRoute::halving};

TEST(ExchangeBits, AreTheSameInEveryTypeAndStageOnAnyPlacement) {
  for (const DataType type : {DataType::f32, DataType::f16, DataType::bf16}) {
    for (const std::int64_t stage : {0, 1, 2}) {
      const ReducerOptions settings{.matrix_type = type, .stage = stage_of(stage)};
      const std::vector<int> worlds = stage == 2 ? std::vector{8} : std::vector{2, 3, 4, 6, 8};
      expect_one_hash(8, worlds, settings, kExactRoutes);
    }
  }
}

TEST(ExchangeBits, AreTheSameInLargeWorlds) {
  expect_one_hash(64, {16, 24, 48, 64}, {}, {ExchangeRoute::two_level, ExchangeRoute::halving});
}

TEST(ExchangeBits, AreTheSameInWorldsOfHundreds) {
  if (std::getenv("VITRAIL_LONG") == nullptr) GTEST_SKIP() << "VITRAIL_LONG is not set";
  const std::string expected = hashes_of(exchange_plan(ExchangeRoute::direct, 512, one_node(1)), {}).front();
  for (const int world : {128, 192, 512}) {
    for (const ExchangeRoute route : {ExchangeRoute::two_level, ExchangeRoute::halving}) {
      for (const std::string& hash : hashes_of(exchange_plan(route, 512, full_nodes(world, 8)), {})) {
        ASSERT_EQ(hash, expected) << world << " ranks";
      }
    }
  }
}

}  // namespace
}  // namespace vitrail::sharding
