// What MpiCommunicator promises, with values whose sums are exact.
#include <cmath>
#include <thread>

#include <gmock/gmock.h>

#include "sharding/gather_text.hpp"
#include "sharding/gradient_reducer.hpp"
#include "sharding/local_communicator.hpp"
#include "sharding/parameter_gather.hpp"
#include "tests/mpi/mpi_world.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::sharding {
namespace {

class Communication : public MpiWorld {};

TEST_F(Communication, EveryRankIsThereOnce) {
  std::vector<double> present(static_cast<std::size_t>(size()));
  present[static_cast<std::size_t>(rank())] = 1;
  world_.all_reduce_sum(present);
  EXPECT_EQ(present, std::vector<double>(static_cast<std::size_t>(size()), 1.0));
}

TEST_F(Communication, SumsAreExactWhereOneRankContributes) {
  std::vector<double> values(1000);
  for (std::size_t i = static_cast<std::size_t>(rank()); i < values.size();
       i += static_cast<std::size_t>(size())) {
    values[i] = 0.1 * static_cast<double>(i + 1);
  }
  world_.all_reduce_sum(values);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 0.1 * static_cast<double>(i + 1));
}

TEST_F(Communication, SumsAddAllRanks) {
  std::vector<double> value = {std::ldexp(1.0, rank()), std::ldexp(1.0, -rank())};
  world_.all_reduce_sum(value);
  EXPECT_EQ(value[0], std::ldexp(1.0, size()) - 1);
  EXPECT_EQ(value[1], 2 - std::ldexp(1.0, 1 - size()));
}

// Counts differ by pair, and some are zero.
std::int64_t count_of(int from, int to, std::int64_t unit) { return (from + 2 * to) % 4 * unit; }

template <class Real>
Real value_of(int from, int to, std::int64_t i) {
  return static_cast<Real>(from * 1000 + to * 100 + i % 97) / 8;
}

template <class Real>
void exchange(Communicator& world, DataType type, std::int64_t unit) {
  std::vector<Segment> send, receive;
  std::int64_t sent = 0, received = 0;
  for (int peer = 0; peer < world.size(); ++peer) {
    send.push_back({sent, count_of(world.rank(), peer, unit)});
    receive.push_back({received, count_of(peer, world.rank(), unit)});
    sent += send.back().count;
    received += receive.back().count;
  }
  constexpr Real kUntouched = -1;
  std::vector<Real> source(static_cast<std::size_t>(sent)),
      target(static_cast<std::size_t>(received), kUntouched);
  for (int peer = 0; peer < world.size(); ++peer) {
    const Segment& s = send[static_cast<std::size_t>(peer)];
    for (std::int64_t i = 0; i < s.count; ++i) {
      source[static_cast<std::size_t>(s.begin + i)] = value_of<Real>(world.rank(), peer, i);
    }
  }
  world.all_to_all(std::as_bytes(std::span(source)).data(), send,
                   std::as_writable_bytes(std::span(target)).data(), receive, type);
  for (int peer = 0; peer < world.size(); ++peer) {
    const Segment& r = receive[static_cast<std::size_t>(peer)];
    for (std::int64_t i = 0; i < r.count; ++i) {
      const Real expected = peer == world.rank() ? kUntouched : value_of<Real>(peer, world.rank(), i);
      ASSERT_EQ(target[static_cast<std::size_t>(r.begin + i)], expected) << "from rank " << peer;
    }
  }
}

TEST_F(Communication, EveryPairExchangesItsOwn) {
  for (const std::int64_t unit :
       {1, 1000, 300'000}) {  // small messages, and such as need the receiver's help
    exchange<float>(world_, DataType::f32, unit);
    exchange<double>(world_, DataType::f64, unit);
  }
}

TEST_F(Communication, TrafficCountsWhatLeavesTheRank) {
  const std::int64_t before = world_.traffic().elements_sent;
  exchange<float>(world_, DataType::f32, 10);
  std::int64_t expected = 0;
  for (int peer = 0; peer < size(); ++peer) expected += peer == rank() ? 0 : count_of(rank(), peer, 10);
  EXPECT_EQ(world_.traffic().elements_sent - before, expected);
}

TEST_F(Communication, GatheringInPlace) {
  for (const std::int64_t unit : {1, 250'000}) {
    std::vector<Segment> segments;
    std::int64_t total = 0;
    for (int peer = 0; peer < size(); ++peer) {
      segments.push_back({total, peer % 3 * unit});
      total += segments.back().count;
    }
    std::vector<float> values(static_cast<std::size_t>(total), -1.0F);
    const Segment& own = segments[static_cast<std::size_t>(rank())];
    for (std::int64_t i = 0; i < own.count; ++i) {
      values[static_cast<std::size_t>(own.begin + i)] = value_of<float>(rank(), 0, i);
    }
    world_.all_gather(std::as_writable_bytes(std::span(values)).data(), segments, DataType::f32);
    for (int peer = 0; peer < size(); ++peer) {
      const Segment& s = segments[static_cast<std::size_t>(peer)];
      for (std::int64_t i = 0; i < s.count; ++i) {
        ASSERT_EQ(values[static_cast<std::size_t>(s.begin + i)], value_of<float>(peer, 0, i));
      }
    }
  }
}

TEST_F(Communication, BroadcastFromEveryRoot) {
  for (int root = 0; root < size(); ++root) {
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{3} << 20}) {
      std::vector<std::byte> text(bytes, static_cast<std::byte>(rank() == root ? 40 + root : 0));
      world_.broadcast(text, root);
      EXPECT_EQ(text, std::vector<std::byte>(bytes, static_cast<std::byte>(40 + root)));
    }
  }
}

TEST_F(Communication, NobodyLeavesABarrierBeforeTheLastHasCome) {
  for (int late = 0; late < size(); ++late) {
    world_.barrier();
    const auto begin = Clock::now();
    const double waited_before = world_.traffic().seconds_waited;
    if (rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    world_.barrier();
    if (rank() == late) continue;
    EXPECT_GT(seconds_since(begin), 0.08);
    EXPECT_GT(world_.traffic().seconds_waited - waited_before, 0.08);
  }
}

TEST_F(Communication, TextsOfAllRanks) {
  const auto text_of = [](int r) {
    return r == 1 ? std::string() : std::string(static_cast<std::size_t>(1 + 9000 * r), 'a');
  };
  const std::vector<std::string> texts = gather_text(world_, text_of(rank()));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(size()));
  for (int peer = 0; peer < size(); ++peer) EXPECT_EQ(texts[static_cast<std::size_t>(peer)], text_of(peer));
}

TEST_F(Communication, OneRanksErrorIsEverybodys) {
  const int failing = size() - 1;
  try {
    agree(world_, [&] {
      if (rank() == failing) throw Error(ExitCode::io, "the disk is full", "empty it");
    });
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_THAT(e.what(), testing::HasSubstr("the disk is full"));
    EXPECT_EQ(e.hint(), "empty it");
  }
  agree(world_, [] {});  // and the world goes on
}

// The sum over lanes has the bits of a world of one, whatever the number of ranks.
TEST_F(Communication, GradientSumsHaveTheBitsOfAWorldOfOne) {
  constexpr std::int64_t kLanes = 8;
  const BucketPlan plan =
      make_bucket_plan({{"bias", 100, false}, {"w0", 3000, true}, {"w1", 777, true}}, kLanes, 3000);
  const auto reduce = [&](GradientReducer& reducer) {
    for (std::int64_t lane = reducer.lanes().begin; lane < reducer.lanes().end; ++lane) {
      reducer.begin_lane(lane);
      for (std::size_t p = 0; p < plan.parameters.size(); ++p) {
        Philox random(1, Purpose::test, static_cast<std::uint64_t>(lane), p);
        std::vector<float> gradient(static_cast<std::size_t>(plan.parameters[p].elements));
        for (float& g : gradient) g = static_cast<float>(random.normal() * std::exp(6 * random.normal()));
        reducer.add(p, std::as_bytes(std::span(gradient)).data());
      }
      reducer.end_lane();
    }
    reducer.exchange();
  };
  LocalCommunicator alone;
  GradientReducer expected(plan, {}, alone), sums(plan, {}, world_);
  reduce(expected);
  reduce(sums);
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    const std::int64_t slice = plan.buckets[b].slice;
    const auto* whole = reinterpret_cast<const float*>(expected.sum(b));
    const auto* own = reinterpret_cast<const float*>(sums.sum(b));
    for (std::int64_t i = 0; i < slice * sums.lanes().count(); ++i) {
      ASSERT_EQ(own[i], whole[sums.lanes().begin * slice + i]) << "bucket " << b;
    }
  }
}

TEST_F(Communication, ParametersOfAllLanesReachAllRanks) {
  constexpr std::int64_t kLanes = 4;
  const BucketPlan plan = make_bucket_plan({{"w0", 5000, true}, {"w1", 777, true}}, kLanes, 1000);
  const LaneRange lanes = lanes_of_rank(kLanes, size(), rank());
  std::vector<Buffer> buckets;
  std::vector<BucketData> whole;
  for (const Bucket& bucket : plan.buckets) {
    Buffer& buffer = buckets.emplace_back(DataType::f64, bucket.slice * kLanes);
    for (std::int64_t i = lanes.begin * bucket.slice; i < lanes.end * bucket.slice; ++i) {
      buffer.as<double>()[static_cast<std::size_t>(i)] = static_cast<double>(i) / 3;
    }
    whole.push_back({buffer.data(), DataType::f64});
  }
  ParameterGather gather(plan, lanes, world_);
  gather.start(whole);
  gather.finish();
  for (Buffer& buffer : buckets) {
    for (std::int64_t i = 0; i < buffer.elements(); ++i) {
      ASSERT_EQ(buffer.as<double>()[static_cast<std::size_t>(i)], static_cast<double>(i) / 3);
    }
  }
}

}  // namespace
}  // namespace vitrail::sharding
