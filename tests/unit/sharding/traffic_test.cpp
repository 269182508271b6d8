// What a rank sends in a step, counted call by call: 2P(N-1)/N elements at N = 1, 2, 4, 8, padding included.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sharding/comm/intercepted_communicator.hpp"
#include "sharding/device/host_device.hpp"
#include "sharding/plan/exchange_traffic.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "tests/support/absent_world.hpp"
#include "tests/support/direct_plan.hpp"
#include "tests/support/placements.hpp"
#include "tests/support/thread_world.hpp"

namespace vitrail::sharding {
namespace {

// Counts what the messages of each call say leaves this rank.
class Counter final : public InterceptedCommunicator {
 public:
  using InterceptedCommunicator::InterceptedCommunicator;
  void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) override {
    count(elements_of(send), type);
    InterceptedCommunicator::exchange(send, receive, type);
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
        const ExchangePlan direct = tests::direct_plan(lanes, counter);
        GradientReducer reducer(plan, direct, {.matrix_type = sums}, counter, host);
        std::vector<Buffer> weights;
        std::vector<BucketData> views;
        for (const Bucket& bucket : plan.buckets) {
          const DataType type = bucket.matrices ? DataType::bf16 : DataType::f32;
          weights.emplace_back(type, bucket.slice * lanes, host);
          views.push_back({weights.back().data(), type});
        }
        ParameterGather gather(plan, direct, reducer.layout().held, counter, host);
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

// What leaves a rank, by the node that it goes to.
class NodeCounter final : public InterceptedCommunicator {
 public:
  NodeCounter(Communicator& inner, const Topology& topology)
      : InterceptedCommunicator(inner), topology_(topology) {}
  void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) override {
    for (const Outgoing& message : send) {
      (topology_.together(rank(), message.to) ? sent.inside : sent.across) += message.count;
      ++sent.messages;
    }
    ++exchanges;
    InterceptedCommunicator::exchange(send, receive, type);
  }
  Sent sent;  // elements
  int exchanges = 0;

 protected:
  void around(const Call&, const std::function<void()>& forward) override { forward(); }

 private:
  const Topology& topology_;
};

constexpr std::int64_t kTrafficLanes = 64;

// check(topology, exchange): of worlds of 1 to 56 ranks, each in all placements and routes.
template <class Check>
void for_every_exchange(const Check& check) {
  for (int world = 1; world <= kTrafficLanes; world += world < 9 ? 1 : 11)
    for (const Topology& topology : tests::placements(world))
      for (const ExchangeRoute route :
           {ExchangeRoute::direct, ExchangeRoute::two_level, ExchangeRoute::halving})
        check(topology, exchange_plan(route, kTrafficLanes, topology));
}

TEST(Traffic, RanksSendWhatThePlanSaysWhereItSays) {
  const BucketPlan plan = make_bucket_plan({{"bias", 100, false}}, kTrafficLanes, 500);
  const std::int64_t slice = plan.buckets[0].slice;
  for_every_exchange([&](const Topology& topology, const ExchangePlan& exchange) {
    const int world = topology.ranks();
    const ExchangeTraffic planned = reduce_traffic(exchange, topology);
    const ExchangeTraffic back = gather_traffic(exchange, topology);
    for (int rank = 0; rank < world; ++rank) {
      tests::AbsentWorld absent(world, rank);
      NodeCounter counter(absent, topology);
      HostDevice host;
      GradientReducer(plan, exchange, {}, counter, host).exchange();
      Sent expected = planned.of_rank(rank);
      EXPECT_EQ(counter.sent, (Sent{expected.inside * slice, expected.across * slice, expected.messages}))
          << "rank " << rank << " of " << world;
      if (exchange.route == ExchangeRoute::direct) continue;  // the communicator's own gather
      counter.sent = {};
      Buffer weights(DataType::f32, slice * kTrafficLanes, host);
      ParameterGather gather(plan, exchange, layout_of(exchange, {}, rank).held, counter, host);
      gather.start({{weights.data(), DataType::f32}});
      gather.finish();
      expected = back.of_rank(rank);
      EXPECT_EQ(counter.sent, (Sent{expected.inside * slice, expected.across * slice, expected.messages}))
          << "rank " << rank << " of " << world;
    }
  });
}

// The host, and how many numbers its sums of what came read and wrote.
class CountingHost final : public Device {
 public:
  std::byte* allocate(std::size_t bytes, Memory memory) override { return host_.allocate(bytes, memory); }
  void release(std::byte* bytes, Memory memory) noexcept override { host_.release(bytes, memory); }
  Stream& compute() override { return host_.compute(); }
  Stream& exchange() override { return host_.exchange(); }
  Stream& sums() override { return sums_; }
  std::size_t most_addends() const override { return host_.most_addends(); }
  std::int64_t moved() const { return sums_.moved; }

 private:
  struct Sums final : Stream {
    explicit Sums(Stream& of_host) : host(of_host) {}
    void copy(const std::byte* from, std::size_t bytes, std::byte* to) override {
      host.copy(from, bytes, to);
    }
    void add(DataType type, std::span<const Addend> addends, std::int64_t n, std::byte* to) override {
      moved += (std::ssize(addends) + 1) * n;
      host.add(type, addends, n, to);
    }
    void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) override {
      host.widen(type, from, n, to);
    }
    void update(UpdateKernel kernel, DataType type, UpdateList& list, std::span<Squares> squares) override {
      host.update(kernel, type, list, squares);
    }
    std::shared_ptr<const Mark> mark() override { return host.mark(); }
    void begin_after(const Mark& mark) override { host.begin_after(mark); }
    Stream& host;
    std::int64_t moved = 0;
  };
  HostDevice host_;
  Sums sums_{host_.sums()};
};

TEST(Traffic, RanksAddWhatThePlanSays) {
  const BucketPlan plan = make_bucket_plan({{"bias", 100, false}}, kTrafficLanes, 500);
  for_every_exchange([&](const Topology& topology, const ExchangePlan& exchange) {
    const int world = topology.ranks();
    const ExchangeTraffic planned = reduce_traffic(exchange, topology);
    for (int rank = 0; rank < world; ++rank) {
      std::int64_t slices = 0;
      for (const std::vector<std::int64_t>& round : planned.moved())
        slices += round[static_cast<std::size_t>(rank)];
      tests::AbsentWorld absent(world, rank);
      CountingHost host;
      GradientReducer(plan, exchange, {}, absent, host).exchange();
      EXPECT_EQ(host.moved(), slices * plan.buckets[0].slice) << "rank " << rank << " of " << world;
    }
  });
}

// Two rounds inside nodes and one between them, two buckets in turn. Those of the other type, b, wait until
// what is open has closed.
TEST(Turns, RoundsBetweenNodesShareCallsWithThoseOfTheNextBucketOfTheChain) {
  struct Named {
    char name;
    char type;
  };
  Turns<Named> turns({.opening = 2, .closing = 1}, 2);
  std::string said;
  const auto call = [&](const Turns<Named>::Call& c) {
    if (c.opening != nullptr) said += fmt::format("{}{}", c.opening->name, *c.rounds.opening);
    if (c.closing != nullptr) said += fmt::format("{}{}", c.closing->name, *c.rounds.closing);
    said += ' ';
  };
  const auto ended = [&](const Named& bucket) { said += fmt::format("/{} ", bucket.name); };
  std::vector<std::string> by_begin;
  for (const Named bucket : {Named{'A', 'a'}, {'B', 'a'}, {'C', 'a'}, {'D', 'a'}, {'E', 'b'}}) {
    said.clear();
    turns.begin(bucket, call, ended);
    by_begin.push_back(said);
  }
  said.clear();
  turns.finish(call, ended);
  by_begin.push_back(said);
  EXPECT_EQ(by_begin, (std::vector<std::string>{"", "A0 B0 A1 B1 ", "", "C0A2 D0B2 C1 D1 /A /B ", "C2 /C ",
                                                "E0 D2 E1 /D E2 /E "}));
}

// The last rounds of weights' gathers carry most.
TEST(Turns, BackwardsTheLastRoundsAreTogether) {
  const auto text = [](const RoundHalves& halves) {
    std::string said;
    for (const CallRounds& call : rounds_of_calls(halves, true, true)) {
      const auto of = [](std::optional<std::size_t> round) { return round ? fmt::to_string(*round) : "-"; };
      said += of(call.opening) + of(call.closing) + ' ';
    }
    return said;
  };
  EXPECT_EQ(text({.opening = 3, .closing = 1}), "03 1- 2- ");
  EXPECT_EQ(text({.opening = 3, .closing = 1, .backwards = true}), "0- 1- 23 ");
  EXPECT_EQ(text({.opening = 1, .closing = 2, .backwards = true}), "-1 02 ");
}

// Four buckets, each with two rounds inside a node of four ranks and one between two nodes: the exchanges
// that begin a bucket end the one before, and at last there is one more. Back, the last two matrices go
// together.
TEST(Traffic, BucketsShareCallsWhereSomeRoundsLeaveNoNode) {
  constexpr std::int64_t kWorldLanes = 16;
  const BucketPlan plan = make_bucket_plan(
      {{"bias", 100, false}, {"w0", 900, true}, {"w1", 900, true}, {"w2", 900, true}}, kWorldLanes, 900);
  ASSERT_EQ(plan.buckets.size(), 4U);
  struct Case {
    Topology topology;
    int exchanges, back;
  };
  for (const auto& [topology, exchanges, back] : {Case{full_nodes(8, 4), 9, 7}, Case{one_node(8), 12, 9}}) {
    const ExchangePlan exchange = exchange_plan(ExchangeRoute::halving, kWorldLanes, topology);
    EXPECT_EQ(exchange.is_pipelined(), topology.nodes() > 1);
    tests::AbsentWorld absent(8, 0);
    NodeCounter counter(absent, topology);
    HostDevice host;
    GradientReducer reducer(plan, exchange, {}, counter, host);
    reducer.exchange();
    EXPECT_EQ(counter.exchanges, exchanges);
    std::vector<Buffer> weights;
    std::vector<BucketData> views;
    for (const Bucket& bucket : plan.buckets) {
      weights.emplace_back(DataType::f32, bucket.slice * kWorldLanes, host);
      views.push_back({weights.back().data(), DataType::f32});
    }
    ParameterGather gather(plan, exchange, reducer.layout().held, counter, host);
    gather.start(views);
    gather.finish();
    EXPECT_EQ(counter.exchanges, exchanges + back);
  }
}

}  // namespace
}  // namespace vitrail::sharding
