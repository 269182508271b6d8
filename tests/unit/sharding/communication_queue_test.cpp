#include "sharding/comm/communication_queue.hpp"

#include <atomic>
#include <chrono>
#include <future>

#include <gtest/gtest.h>

#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/host_device.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "tests/support/direct_plan.hpp"
#include "tests/support/thread_world.hpp"

namespace vitrail::sharding {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::minutes kHang{5};

// Holds back every exchange until somebody opens the gate, or for so long that a test fails.
class GatedCommunicator final : public InterceptedCommunicator {
 public:
  explicit GatedCommunicator(Communicator& inner)
      : InterceptedCommunicator(inner), open_(gate_.get_future()) {}

  void open() { gate_.set_value(); }
  int begun() const { return begun_; }
  bool gave_up() const { return gave_up_; }

 protected:
  void around(const Call& call, const std::function<void()>& forward) override {
    if (call.kind == CallKind::exchange || call.kind == CallKind::all_gather) {
      ++begun_;
      if (open_.wait_for(kHang) != std::future_status::ready) gave_up_ = true;
    }
    forward();
  }

 private:
  std::promise<void> gate_;
  std::shared_future<void> open_;
  std::atomic<int> begun_ = 0;
  std::atomic<bool> gave_up_ = false;
};

// Three buckets: {bias}, {w1}, {w0}; backward comes from w1 to w0.
BucketPlan plan() {
  return make_bucket_plan({{"bias", 40, false}, {"w0", 900, true}, {"w1", 900, true}}, 2, 900);
}

void add(GradientReducer& gradients, const BucketPlan& plan, std::size_t parameter, float value) {
  const std::vector<float> g(static_cast<std::size_t>(plan.parameters[parameter].elements), value);
  gradients.add(parameter, std::as_bytes(std::span(g)).data());
}

template <class Condition>
bool soon(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kHang;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

TEST(CommunicationQueue, ABucketIsExchangedWhileBackwardGoesOn) {
  const BucketPlan p = plan();
  ASSERT_EQ(p.buckets.size(), 3U);
  tests::run_world(2, [&](Communicator& ranks) {
    GatedCommunicator gated(ranks);
    CommunicationQueue queue(gated);
    HostDevice host;
    GradientReducer gradients(p, tests::direct_plan(p.lanes, ranks), {}, queue, host);
    gradients.begin_lane(ranks.rank());
    add(gradients, p, 2, 3);
    EXPECT_TRUE(soon([&] { return gated.begun() == 1; })) << "the first bucket's exchange has not begun";
    add(gradients, p, 0, 1);  // ready before its turn: must wait for the bucket of w0
    add(gradients, p, 1, 2);
    gradients.end_lane();
    EXPECT_EQ(gated.begun(), 1) << "exchanges overtake each other";
    gated.open();
    gradients.exchange();
    EXPECT_FALSE(gated.gave_up());
    EXPECT_EQ(reinterpret_cast<float*>(gradients.sum(0))[0], 2.0F);
    EXPECT_EQ(reinterpret_cast<float*>(gradients.sum(1))[0], 6.0F);
    EXPECT_EQ(reinterpret_cast<float*>(gradients.sum(2))[0], 4.0F);
  });
}

TEST(CommunicationQueue, ALayerWaitsOnlyForItsOwnBuckets) {
  const BucketPlan p = plan();
  tests::run_world(2, [&](Communicator& ranks) {
    GatedCommunicator gated(ranks);
    HostDevice host;
    std::vector<Buffer> buckets;
    std::vector<BucketData> whole;
    for (const Bucket& bucket : p.buckets) {
      Buffer& buffer = buckets.emplace_back(DataType::f32, bucket.slice * 2, host);
      for (std::int64_t i = 0; i < bucket.slice; ++i) {
        buffer.as<float>()[static_cast<std::size_t>(ranks.rank() * bucket.slice + i)] = 7;
      }
    }
    for (Buffer& buffer : buckets) whole.push_back({buffer.data(), DataType::f32});
    CommunicationQueue queue(gated);
    ParameterGather gather(p, tests::direct_plan(p.lanes, ranks),
                           lanes_of_rank(p.lanes, ranks.size(), ranks.rank()), queue, host);
    gather.start(whole);  // comes back although nothing has been exchanged
    EXPECT_TRUE(soon([&] { return gated.begun() == 1; }));
    gated.open();
    for (const std::size_t b : {0U, 2U, 1U}) {  // as forward needs them
      gather.compute_after(b);
      for (const float value : buckets[b].as<float>()) ASSERT_EQ(value, 7.0F) << "bucket " << b;
    }
    gather.finish();
  });
}

class FailingCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void exchange(std::span<const Outgoing>, std::span<const Incoming>, DataType) override {}
  void all_gather(std::byte*, std::span<const Segment>, DataType) override {}
  void reduce_scatter(const std::byte*, std::byte*, std::int64_t, DataType) override {}
  void all_reduce_sum(std::span<double>) override { throw PeerFailure(1); }
  void broadcast(std::span<std::byte>, int) override { ++later_calls; }
  void barrier() override {
    while (!cancelled) std::this_thread::sleep_for(1ms);
    throw PeerFailure(0);
  }
  void cancel() override { cancelled = true; }
  std::atomic<bool> cancelled = false;
  std::atomic<int> later_calls = 0;
};

TEST(CommunicationQueue, AFailureIsHeardAtEveryLaterWait) {
  FailingCommunicator failing;
  CommunicationQueue queue(failing);
  std::vector<double> values(1);
  const auto ticket = queue.post([&](Communicator& c) { c.all_reduce_sum(values); });
  EXPECT_THROW(queue.wait(ticket), PeerFailure);
  EXPECT_THROW(queue.broadcast({}, 0), PeerFailure);
  EXPECT_EQ(failing.later_calls, 0) << "nobody answers after a failure";
}

// Gives its exchanges to a device that does them when it is told to.
class EarlyCommunicator final : public InterceptedCommunicator {
 public:
  using InterceptedCommunicator::InterceptedCommunicator;
  void exchange(std::span<const Outgoing>, std::span<const Incoming>, DataType) override { ++given; }
  void return_early() override { early = true; }
  Progress progress() override {
    if (peer_failed) throw PeerFailure(1);
    return {given, done};
  }
  std::atomic<std::uint64_t> given = 0, done = 0;
  std::atomic<bool> early = false, peer_failed = false;

 protected:
  void around(const Call&, const std::function<void()>& forward) override { forward(); }
};

void exchange_nothing(Communicator& communicator) { communicator.exchange({}, {}, DataType::f32); }

TEST(CommunicationQueue, CallsAreGivenToADeviceBeforeItHasDoneThoseBefore) {
  LocalCommunicator alone;
  EarlyCommunicator early(alone);
  CommunicationQueue queue(early);
  const auto first = queue.post(exchange_nothing), second = queue.post(exchange_nothing);
  queue.wait_until_given(second);
  EXPECT_TRUE(early.early);
  EXPECT_EQ(early.given, 2U);
  early.done = 1;
  queue.wait(first);
  auto both = std::async([&] { queue.wait(second); });
  EXPECT_EQ(both.wait_for(20ms), std::future_status::timeout);
  early.done = 2;
  both.get();
}

TEST(CommunicationQueue, AFailureOfWhatADeviceIsAtIsHeard) {
  LocalCommunicator alone;
  EarlyCommunicator early(alone);
  CommunicationQueue queue(early);
  const auto ticket = queue.post(exchange_nothing);
  queue.wait_until_given(ticket);
  early.peer_failed = true;
  EXPECT_THROW(queue.wait(ticket), PeerFailure);
}

TEST(CommunicationQueue, AnExceptionDoesNotWaitForPeersThatNeverCome) {
  FailingCommunicator failing;
  const auto doomed = [&] {
    CommunicationQueue queue(failing);
    queue.post([](Communicator& c) { c.barrier(); });
    throw std::runtime_error("out of memory");
  };
  EXPECT_THROW(doomed(), std::runtime_error);
  EXPECT_TRUE(failing.cancelled);
}

}  // namespace
}  // namespace vitrail::sharding
