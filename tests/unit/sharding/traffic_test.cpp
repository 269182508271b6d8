// What a rank sends in a step, counted call by call: 2P(N-1)/N elements at N = 1, 2, 4, 8, padding included.
#include <algorithm>
#include <tuple>

#include <gtest/gtest.h>

#include "sharding/comm/intercepted_communicator.hpp"
#include "sharding/device/host_device.hpp"
#include "sharding/plan/exchange_steps.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "tests/support/absent_world.hpp"
#include "tests/support/thread_world.hpp"

namespace vitrail::sharding {
namespace {

// Counts what the segments of each call say leaves this rank.
class Counter final : public InterceptedCommunicator {
 public:
  using InterceptedCommunicator::InterceptedCommunicator;
  void all_to_all(const std::byte* source, std::span<const Segment> send, std::byte* target,
                  std::span<const Segment> receive, DataType type) override {
    for (int peer = 0; peer < size(); ++peer) {
      if (peer != rank()) count(send[static_cast<std::size_t>(peer)].count, type);
    }
    InterceptedCommunicator::all_to_all(source, send, target, receive, type);
  }
  void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) override {
    count(segments[static_cast<std::size_t>(rank())].count * (size() - 1), type);
    InterceptedCommunicator::all_gather(buffer, segments, type);
  }

  std::int64_t elements_sent = 0, bytes_sent = 0;

 protected:
  void around(const Call&, const std::function<void()>& forward) override { forward(); }

 private:
  void count(std::int64_t n, DataType type) {
    elements_sent += n;
    bytes_sent += n * static_cast<std::int64_t>(size_of(type));
  }
};

TEST(Traffic, IsTheBoundWithPaddingForAnyNumberOfLanes) {
  const std::vector<ParameterShape> parameters = {
      {"bias", 100, false}, {"w0", 3000, true}, {"w1", 777, true}, {"w2", 1, true}};
  for (const std::int64_t lanes : {8, 16, 32}) {
    const BucketPlan plan = make_bucket_plan(parameters, lanes, 2000);
    const std::int64_t all = plan.padded_elements(), vectors = plan.buckets[0].slice * lanes;
    ASSERT_GT(all, plan.parameter_elements());
    for (const auto& [world, sums] : std::vector<std::pair<int, DataType>>{{1, DataType::f32},
                                                                           {2, DataType::f32},
                                                                           {4, DataType::f32},
                                                                           {8, DataType::f32},
                                                                           {4, DataType::bf16}}) {
      tests::run_world(world, [&, ranks_there = world, sums = sums](Communicator& ranks) {
        Counter counter(ranks);
        HostDevice host;
        GradientReducer reducer(plan, {.matrix_type = sums}, counter, host);
        std::vector<Buffer> weights;
        std::vector<BucketData> views;
        for (const Bucket& bucket : plan.buckets) {
          const DataType type = bucket.matrices ? DataType::bf16 : DataType::f32;
          weights.emplace_back(type, bucket.slice * lanes, host);
          views.push_back({weights.back().data(), type});
        }
        ParameterGather gather(plan, reducer.held(), counter, host);
        reducer.exchange();
        gather.start(views);
        gather.finish();
        EXPECT_EQ(counter.elements_sent, 2 * all / ranks_there * (ranks_there - 1))
            << ranks_there << " ranks, " << lanes << " lanes";
        EXPECT_EQ(counter.elements_sent, ranks.traffic().elements_sent);
        // Sums leave in fp32 or, if asked for, in the compute type; matrices come back in it, vectors in
        // fp32.
        const std::int64_t matrices = all - vectors, out = static_cast<std::int64_t>(size_of(sums));
        EXPECT_EQ(counter.bytes_sent,
                  ((out + 2) * matrices + (4 + 4) * vectors) / ranks_there * (ranks_there - 1));
      });
    }
  }
}

// Peer, index of the sum that it comes from, slices.
using Sends = std::vector<std::tuple<int, int, std::int64_t, std::int64_t>>;

class Recorder final : public InterceptedCommunicator {
 public:
  Recorder(Communicator& inner, std::int64_t slice) : InterceptedCommunicator(inner), slice_(slice) {}
  void all_to_all(const std::byte*, std::span<const Segment> send, std::byte*, std::span<const Segment>,
                  DataType) override {
    for (int peer = 0; peer < size(); ++peer) {
      const Segment& segment = send[static_cast<std::size_t>(peer)];
      if (peer == rank() || segment.count == 0) continue;
      sends.emplace_back(peer, calls_, segment.begin / slice_, (segment.begin + segment.count) / slice_);
    }
    ++calls_;
  }
  Sends sends;

 protected:
  void around(const Call&, const std::function<void()>& forward) override { forward(); }

 private:
  std::int64_t slice_;
  int calls_ = 0;
};

TEST(Traffic, TheReducerSendsWhatThePlanSays) {
  constexpr std::int64_t kWorldLanes = 64;
  const BucketPlan plan = make_bucket_plan({{"bias", 100, false}}, kWorldLanes, 500);
  for (int world = 1; world <= kWorldLanes; ++world) {
    const ExchangePlan direct = exchange_plan(ExchangeRoute::direct, kWorldLanes, one_node(world));
    for (int rank = 0; rank < world; ++rank) {
      tests::AbsentWorld absent(world, rank);
      Recorder recorder(absent, plan.buckets[0].slice);
      HostDevice host;
      GradientReducer(plan, {}, recorder, host).exchange();
      Sends expected;
      for (const ReduceRound& round : reduce_rounds(direct, rank)) {
        for (const Message& m : round.send) {
          expected.emplace_back(m.peer, m.place, m.slices.begin, m.slices.end);
        }
      }
      std::ranges::sort(recorder.sends);
      std::ranges::sort(expected);
      EXPECT_EQ(recorder.sends, expected) << "rank " << rank << " of " << world;
    }
  }
}

}  // namespace
}  // namespace vitrail::sharding
