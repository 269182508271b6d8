// What every communicator promises, with values whose sums are exact: MPI's own, MPI's for a device whose
// memory only its streams may touch and, where there are GPUs, the same two on them.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <thread>

#include <gmock/gmock.h>

#include "sharding/agreement/gather_text.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/comm/staged_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "tests/mpi/mpi_world.hpp"
#include "tests/support/direct_plan.hpp"
#include "tests/support/lazy_device.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::sharding {
namespace {

enum class Backend { mpi, staged, staged_gpu, nccl };

int number_in_environment(const char* name) {
  const char* number = std::getenv(name);
  return number == nullptr ? 0 : std::atoi(number);
}

// How many GPUs this node has.
int gpus() { return number_in_environment("VITRAIL_TEST_GPUS"); }

std::vector<Backend> backends() {
  std::vector<Backend> all = {Backend::mpi, Backend::staged};
  if (gpus() > 0) all.push_back(Backend::staged_gpu);
  // NCCL wants a GPU for each rank. Asked before MPI is there.
  if (gpus() > 0 && gpus() >= number_in_environment("OMPI_COMM_WORLD_SIZE")) all.push_back(Backend::nccl);
  return all;
}

class Communication : public MpiWorld, public testing::WithParamInterface<Backend> {
 protected:
  void SetUp() override {
    if (GetParam() == Backend::mpi) return;
    if (GetParam() == Backend::staged) {
      device_ = std::make_unique<tests::LazyDevice>();
    } else {
      device_ = make_gpu_device(rank() % gpus());
    }
    if (GetParam() == Backend::nccl) {
      over_device_ = make_nccl_communicator(world_mpi_, rank() % gpus(), *device_, std::chrono::seconds(60));
    } else {
      over_device_ = std::make_unique<StagedCommunicator>(world_mpi_, *device_);
    }
  }
  // Every pair its own counts, some of them zero.
  template <class Real>
  void exchange(DataType type, std::int64_t unit);
  Communicator& world() { return over_device_ ? *over_device_ : world_mpi_; }
  Device& device() { return device_ ? *device_ : host_; }

  // Values on the device, and back.
  template <class T>
  Buffer put(const std::vector<T>& values, DataType type) {
    Buffer buffer(type, static_cast<std::int64_t>(values.size()), device());
    if (values.empty()) return buffer;
    device().compute().copy(std::as_bytes(std::span(values)).data(), values.size() * sizeof(T),
                            buffer.data());
    device().compute().finish();
    return buffer;
  }
  template <class T>
  std::vector<T> get(const std::byte* from, std::int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    if (values.empty()) return values;
    device().compute().begin_after(*device().exchange().mark());
    device().compute().copy(from, values.size() * sizeof(T),
                            std::as_writable_bytes(std::span(values)).data());
    device().compute().finish();
    return values;
  }

  MpiCommunicator& world_mpi_ = world_;
  HostDevice host_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Communicator> over_device_;
};

std::string name_of_backend(const testing::TestParamInfo<Backend>& backend) {
  constexpr std::array kNames = {"Mpi", "Staged", "StagedGpu", "Nccl"};
  return kNames.at(static_cast<std::size_t>(backend.param));
}
INSTANTIATE_TEST_SUITE_P(Backends, Communication, testing::ValuesIn(backends()), name_of_backend);

TEST_P(Communication, EveryRankIsThereOnce) {
  std::vector<double> present(static_cast<std::size_t>(size()));
  present[static_cast<std::size_t>(rank())] = 1;
  world().all_reduce_sum(present);
  EXPECT_EQ(present, std::vector<double>(static_cast<std::size_t>(size()), 1.0));
}

TEST_P(Communication, SumsAreExactWhereOneRankContributes) {
  std::vector<double> values(1000);
  for (std::size_t i = static_cast<std::size_t>(rank()); i < values.size();
       i += static_cast<std::size_t>(size())) {
    values[i] = 0.1 * static_cast<double>(i + 1);
  }
  world().all_reduce_sum(values);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 0.1 * static_cast<double>(i + 1));
}

TEST_P(Communication, SumsAddAllRanks) {
  std::vector<double> value = {std::ldexp(1.0, rank()), std::ldexp(1.0, -rank())};
  world().all_reduce_sum(value);
  EXPECT_EQ(value[0], std::ldexp(1.0, size()) - 1);
  EXPECT_EQ(value[1], 2 - std::ldexp(1.0, 1 - size()));
}

// Counts differ by pair, and some are zero.
std::int64_t count_of(int from, int to, std::int64_t unit) { return (from + 2 * to) % 4 * unit; }

template <class Real>
Real value_of(int from, int to, std::int64_t i) {
  return static_cast<Real>(from * 1000 + to * 100 + i % 97) / 8;
}

// Every pair's elements in two messages, where there are so many, which must come in their order.
struct Messages {
  std::vector<Outgoing> send;
  std::vector<Incoming> receive;
};

template <class Real>
void Communication::exchange(DataType type, std::int64_t unit) {
  const auto most = 3 * unit;
  std::vector<Real> sent(static_cast<std::size_t>(most * size()));
  for (int peer = 0; peer < size(); ++peer) {
    for (std::int64_t i = 0; i < most; ++i)
      sent[static_cast<std::size_t>(peer * most + i)] = value_of<Real>(rank(), peer, i);
  }
  Buffer source = put(sent, type);
  Buffer target = put(std::vector<Real>(static_cast<std::size_t>(most * size()), Real{-1}), type);
  Messages messages;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    const std::int64_t out = count_of(rank(), peer, unit), in = count_of(peer, rank(), unit);
    for (const auto& [begin, end] : {std::pair(std::int64_t{0}, out / 3), std::pair(out / 3, out)}) {
      if (end > begin) messages.send.push_back({peer, source.at(peer * most + begin), end - begin});
    }
    for (const auto& [begin, end] : {std::pair(std::int64_t{0}, in / 3), std::pair(in / 3, in)}) {
      if (end > begin) messages.receive.push_back({peer, target.at(peer * most + begin), end - begin});
    }
  }
  world().exchange(messages.send, messages.receive, type);
  const std::vector<Real> values = get<Real>(target.data(), most * size());
  for (int peer = 0; peer < size(); ++peer) {
    const std::int64_t in = peer == rank() ? 0 : count_of(peer, rank(), unit);
    for (std::int64_t i = 0; i < most; ++i) {
      const Real expected = i < in ? value_of<Real>(peer, rank(), i) : Real{-1};
      ASSERT_EQ(values[static_cast<std::size_t>(peer * most + i)], expected) << "from rank " << peer;
    }
  }
}

TEST_P(Communication, EveryPairExchangesItsOwn) {
  for (const std::int64_t unit :
       {1, 1000, 300'000}) {  // small messages, and such as need the receiver's help
    exchange<float>(DataType::f32, unit);
    exchange<double>(DataType::f64, unit);
  }
}

TEST_P(Communication, TrafficCountsWhatLeavesTheRank) {
  const std::int64_t before = world().traffic().elements_sent;
  exchange<float>(DataType::f32, 10);
  std::int64_t expected = 0;
  for (int peer = 0; peer < size(); ++peer) expected += peer == rank() ? 0 : count_of(rank(), peer, 10);
  EXPECT_EQ(world().traffic().elements_sent - before, expected);
}

TEST_P(Communication, GatheringInPlace) {
  for (const bool even : {false, true}) {
    for (const std::int64_t unit : {1, 250'000}) {
      std::vector<Segment> segments;
      std::int64_t total = 0;
      for (int peer = 0; peer < size(); ++peer) {
        segments.push_back({total, even ? unit : peer % 3 * unit});
        total += segments.back().count;
      }
      std::vector<float> values(static_cast<std::size_t>(total), -1.0F);
      const Segment& own = segments[static_cast<std::size_t>(rank())];
      for (std::int64_t i = 0; i < own.count; ++i) {
        values[static_cast<std::size_t>(own.begin + i)] = value_of<float>(rank(), 0, i);
      }
      Buffer buffer = put(values, DataType::f32);
      world().all_gather(buffer.data(), segments, DataType::f32);
      values = get<float>(buffer.data(), total);
      for (int peer = 0; peer < size(); ++peer) {
        const Segment& s = segments[static_cast<std::size_t>(peer)];
        for (std::int64_t i = 0; i < s.count; ++i) {
          ASSERT_EQ(values[static_cast<std::size_t>(s.begin + i)], value_of<float>(peer, 0, i));
        }
      }
    }
  }
}

TEST_P(Communication, SumsOfChunksAddAllRanks) {
  for (const std::int64_t count : {1, 1000, 300'000}) {
    std::vector<float> values;
    for (int chunk = 0; chunk < size(); ++chunk) {
      for (std::int64_t i = 0; i < count; ++i) values.push_back(value_of<float>(rank(), chunk, i));
    }
    Buffer source = put(values, DataType::f32);
    Buffer target(DataType::f32, count, device());
    world().reduce_scatter(source.data(), target.data(), count, DataType::f32);
    const std::vector<float> sums = get<float>(target.data(), count);
    for (std::int64_t i = 0; i < count; ++i) {
      float expected = 0;
      for (int peer = 0; peer < size(); ++peer) expected += value_of<float>(peer, rank(), i);
      ASSERT_EQ(sums[static_cast<std::size_t>(i)], expected);
    }
  }
}

TEST_P(Communication, BroadcastFromEveryRoot) {
  for (int root = 0; root < size(); ++root) {
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{3} << 20}) {
      std::vector<std::byte> text(bytes, static_cast<std::byte>(rank() == root ? 40 + root : 0));
      world().broadcast(text, root);
      EXPECT_EQ(text, std::vector<std::byte>(bytes, static_cast<std::byte>(40 + root)));
    }
  }
}

// The last one comes when all others have said that they are about to wait. The pause compares nothing: it is
// there so that those who do not wait are seen leaving.
TEST_P(Communication, NobodyLeavesABarrierBeforeTheLastHasCome) {
  const Marks marks(world_mpi_);
  for (int late = 0; late < size(); ++late) {
    const auto at = [&](const char* what) { return fmt::format("{}-{}", what, late); };
    world().barrier();
    const auto begin = Clock::now();
    const double waited_before = world().traffic().seconds_waited;
    if (rank() == late) {
      marks.wait_for_all_but(late, at("waits"));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      marks.leave(at("comes"));
    } else {
      marks.leave(at("waits"));
    }
    world().barrier();
    EXPECT_TRUE(marks.has(at("comes"), late)) << "rank " << rank() << " did not wait for rank " << late;
    const double waited = world().traffic().seconds_waited - waited_before;
    EXPECT_GT(waited, 0) << "a wait is counted";
    EXPECT_LE(waited, seconds_since(begin)) << "and not twice";
  }
}

TEST_P(Communication, TextsOfAllRanks) {
  const auto text_of = [](int r) {
    return r == 1 ? std::string() : std::string(static_cast<std::size_t>(1 + 9000 * r), 'a');
  };
  const std::vector<std::string> texts = gather_text(world(), text_of(rank()));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(size()));
  for (int peer = 0; peer < size(); ++peer) EXPECT_EQ(texts[static_cast<std::size_t>(peer)], text_of(peer));
}

TEST_P(Communication, OneRanksErrorIsEverybodys) {
  const int failing = size() - 1;
  try {
    agree(world(), [&] {
      if (rank() == failing) throw Error(ExitCode::io, "the disk is full", "empty it");
    });
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_THAT(e.what(), testing::HasSubstr("the disk is full"));
    EXPECT_EQ(e.hint(), "empty it");
  }
  agree(world(), [] {});  // and the world goes on
}

constexpr std::array kRoutes = {ExchangeRoute::direct, ExchangeRoute::two_level, ExchangeRoute::halving};

// The sum over lanes has the bits of a world of one, whatever the number of ranks and the plan.
TEST_P(Communication, GradientSumsHaveTheBitsOfAWorldOfOne) {
  constexpr std::int64_t kLanes = 8;
  const BucketPlan plan =
      make_bucket_plan({{"bias", 100, false}, {"w0", 3000, true}, {"w1", 777, true}}, kLanes, 3000);
  std::vector<Buffer> brought;
  const auto reduce = [&](GradientReducer& reducer) {
    const LaneRange lanes = reducer.layout().lanes;
    for (std::int64_t lane = lanes.begin; lane < lanes.end; ++lane) {
      reducer.begin_lane(lane);
      for (std::size_t p = 0; p < plan.parameters.size(); ++p) {
        Philox random(1, Purpose::test, static_cast<std::uint64_t>(lane), p);
        std::vector<float> gradient(static_cast<std::size_t>(plan.parameters[p].elements));
        for (float& g : gradient) g = static_cast<float>(random.normal() * std::exp(6 * random.normal()));
        reducer.add(p, brought.emplace_back(put(gradient, DataType::f32)).data());
      }
      reducer.end_lane();
    }
    reducer.exchange();
  };
  LocalCommunicator alone;
  GradientReducer expected(plan, tests::direct_plan(kLanes, alone), {}, alone, device());
  reduce(expected);
  for (const ExchangeRoute route : kRoutes) {
    const ExchangePlan exchange = exchange_plan(route, kLanes, full_nodes(size(), 2));
    GradientReducer sums(plan, exchange, {}, world(), device());
    reduce(sums);
    for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
      const std::int64_t slice = plan.buckets[b].slice;
      const LaneRange held = sums.layout().held;
      const std::vector<float> whole = get<float>(expected.sum(b), slice * kLanes);
      const std::vector<float> own = get<float>(sums.sum(b), slice * held.count());
      EXPECT_TRUE(std::equal(own.begin(), own.end(), whole.begin() + held.begin * slice)) << "bucket " << b;
    }
  }
}

TEST_P(Communication, ParametersOfAllLanesReachAllRanks) {
  constexpr std::int64_t kLanes = 4;
  const BucketPlan plan = make_bucket_plan({{"w0", 5000, true}, {"w1", 777, true}}, kLanes, 1000);
  for (const ExchangeRoute route : kRoutes) {
    const ExchangePlan exchange = exchange_plan(route, kLanes, full_nodes(size(), 2));
    const LaneRange held = layout_of(exchange, {}, rank()).held;
    std::vector<Buffer> buckets;
    std::vector<BucketData> whole;
    for (const Bucket& bucket : plan.buckets) {
      std::vector<double> values(static_cast<std::size_t>(bucket.slice * kLanes));
      for (std::int64_t i = held.begin * bucket.slice; i < held.end * bucket.slice; ++i) {
        values[static_cast<std::size_t>(i)] = static_cast<double>(i) / 3;
      }
      whole.push_back({buckets.emplace_back(put(values, DataType::f64)).data(), DataType::f64});
    }
    ParameterGather gather(plan, exchange, held, world(), device());
    gather.start(whole);
    gather.finish();
    for (Buffer& buffer : buckets) {
      const std::vector<double> values = get<double>(buffer.data(), buffer.elements());
      for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<double>(i) / 3);
    }
  }
}

}  // namespace
}  // namespace vitrail::sharding
