// What becomes of NCCL's calls when something fails, on a machine without GPUs.
#include <array>

#include <gmock/gmock.h>

#include "sharding/comm/intercepted_communicator.hpp"
#include "sharding/device/gpu_device.hpp"
#include "tests/support/absent_world.hpp"
#include "tests/unit/sharding/fake_nccl_handles.hpp"

namespace vitrail::sharding {
namespace {

using std::chrono::seconds;

// The first of two ranks; `failed` is asked by every look at the other one.
class Ranks final : public InterceptedCommunicator {
 public:
  explicit Ranks(Communicator& inner) : InterceptedCommunicator(inner) {}
  std::optional<int> failed_peer() override { return failed ? failed() : std::nullopt; }
  std::function<std::optional<int>()> failed;

 protected:
  void around(const Call&, const std::function<void()>& forward) override { forward(); }
};

class NcclFailures : public testing::Test {
 protected:
  void exchange() {
    const std::vector<Outgoing> send = {{1, memory_.data(), 4}};
    const std::vector<Incoming> receive = {{1, memory_.data() + 16, 4}};
    nccl_->exchange(send, receive, DataType::f32);
  }
  // The communicator goes after the exception has been caught, as train's does after its buffers.
  void expect_aborted_once() {
    EXPECT_EQ(tests::nccl.aborted, 1) << "before the exception leaves";
    nccl_.reset();
    EXPECT_EQ(tests::nccl.aborted, 1);
    EXPECT_EQ(tests::nccl.finalized, 0);
    EXPECT_EQ(tests::nccl.open_groups, 0);
  }

  tests::FakeNccl& fresh_ = (tests::nccl = {});  // before the communicator that uses it
  std::array<std::byte, 64> memory_{};
  tests::AbsentWorld absent_{2, 0};
  Ranks ranks_{absent_};
  std::unique_ptr<Device> gpu_ = make_gpu_device(0);
  std::unique_ptr<Communicator> nccl_ = make_nccl_communicator(ranks_, 0, *gpu_, seconds(1));
};

TEST_F(NcclFailures, AGoodEndIsOrderly) {
  exchange();
  nccl_.reset();
  EXPECT_EQ(tests::nccl.finalized, 1);
  EXPECT_EQ(tests::nccl.destroyed, 1);
  EXPECT_EQ(tests::nccl.aborted, 0);
}

TEST_F(NcclFailures, APeersFailureEndsWhatTheGpuWaitsFor) {
  tests::nccl.event = cudaErrorNotReady;
  ranks_.failed = [] { return std::optional(1); };
  EXPECT_THROW(exchange(), PeerFailure);
  expect_aborted_once();
}

TEST_F(NcclFailures, SoDoesALateOne) {
  tests::nccl.event = cudaErrorNotReady;
  try {
    exchange();
    ADD_FAILURE() << "it waited for nobody";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::watchdog);
  }
  expect_aborted_once();
}

TEST_F(NcclFailures, CallsThatReturnEarlyAreDoneWhenTheGpuIs) {
  nccl_->return_early();
  tests::nccl.event = cudaErrorNotReady;
  exchange();
  exchange();
  EXPECT_EQ(nccl_->progress().given, 2U);
  EXPECT_EQ(nccl_->progress().done, 0U);
  tests::nccl.event = cudaSuccess;
  EXPECT_EQ(nccl_->progress().done, 2U);
}

TEST_F(NcclFailures, APeersFailureIsSeenByWhoAsksForProgress) {
  nccl_->return_early();
  tests::nccl.event = cudaErrorNotReady;
  exchange();
  ranks_.failed = [] { return std::optional(1); };
  const auto ask_on = [&] {
    while (nccl_->progress().done == 0) continue;
  };
  EXPECT_THROW(ask_on(), PeerFailure);
  expect_aborted_once();
}

TEST_F(NcclFailures, SmallCallsBeginAfterThoseOnTheGpu) {
  nccl_->return_early();
  tests::nccl.event = cudaErrorNotReady;
  exchange();
  int looks = 0;
  ranks_.failed = [&] {
    if (++looks == 3) tests::nccl.event = cudaSuccess;
    return std::nullopt;
  };
  nccl_->barrier();
  EXPECT_EQ(looks, 3);
  EXPECT_EQ(nccl_->progress().done, 1U);
}

TEST_F(NcclFailures, OneThatWentAwayIsHeardFirst) {
  tests::nccl.state = ncclRemoteError;
  int looks = 0;
  ranks_.failed = [&] { return ++looks > 20 ? std::optional(1) : std::nullopt; };
  EXPECT_THROW(exchange(), PeerFailure);
  expect_aborted_once();
}

TEST_F(NcclFailures, NcclsOwnWordsAreReported) {
  tests::nccl.state = ncclSystemError;
  try {
    exchange();
    ADD_FAILURE() << "the error was not seen";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_THAT(e.what(), testing::HasSubstr("NCCL's error: its words"));
  }
  expect_aborted_once();
}

TEST_F(NcclFailures, ARefusedCallClosesItsGroup) {
  tests::nccl.send = ncclInvalidArgument;
  EXPECT_THROW(exchange(), Error);
  expect_aborted_once();
}

}  // namespace
}  // namespace vitrail::sharding
