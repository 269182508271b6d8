#include "trainer/checkpoint/checkpoint_space.hpp"

#include <csignal>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "sharding/comm/local_communicator.hpp"
#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"

namespace vitrail::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CheckpointSpaceTest : public CheckpointTest {
 protected:
  std::string check(std::uint64_t own_bytes) {
    fs::create_directories(checkpoints_);
    sharding::LocalCommunicator alone;
    Log log(true);
    testing::internal::CaptureStderr();
    const std::string refused = refusal([&] {
      check_checkpoint_space(checkpoints_, {own_bytes, 3}, "job7-0", alone, log);
    });
    said_ = testing::internal::GetCapturedStderr();
    return refused;
  }
  std::string said_;
};

TEST_F(CheckpointSpaceTest, SaysWhatCheckpointsTakeAndLeavesNothingBehind) {
  EXPECT_EQ(check(20'000'000), "");
  EXPECT_THAT(said_, HasSubstr(" checkpoints of 20.0 MB in "));
  EXPECT_THAT(said_, HasSubstr("at most 3 (60.0 MB)"));
  EXPECT_TRUE(fs::is_empty(checkpoints_));
}

// More than any disk has: reserving it fails, or else comparing it with what is free.
TEST_F(CheckpointSpaceTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(check(std::uint64_t{1} << 50), AllOf(StartsWith("74 "), HasSubstr(checkpoints_.string())));
  EXPECT_TRUE(fs::is_empty(checkpoints_));
}

// As a quota does it: there is room, but not for us.
TEST_F(CheckpointSpaceTest, RefusesWhatAQuotaForbids) {
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit low = before;
  low.rlim_cur = 1 << 20;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &low);
  const std::string refused = check(20'000'000);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(refused, AllOf(StartsWith("74 checkpoints: cannot reserve 20000000 bytes"),
                             HasSubstr("File too large")));
}

}  // namespace
}  // namespace vitrail::trainer
