#include "trainer/checkpoint/run_owner.hpp"

#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr OwnerTimes kQuick{50ms, 300ms, 800ms};
constexpr OwnerTimes kPatient{50ms, 30min, 60min};  // who waits that long hangs

class RunOwnerTest : public testing::Test {
 protected:
  ~RunOwnerTest() override { fs::remove_all(root_); }

  std::unique_ptr<RunOwner> own(const Attempt& self, const OwnerTimes& times = kQuick) {
    return std::make_unique<RunOwner>(root_ / ".owners", self,
                                      OwnerWait{[&](const std::string& text) {
                                                  said_ += text + "\n";
                                                  told_ = true;
                                                },
                                                [this] { return stopped_; }},
                                      times);
  }
  static Attempt here() { return {.host = "here", .process = ::getpid()}; }
  // A claim as another machine would have left it: nothing here tells whether its process lives.
  void leave_claim_of_elsewhere(const std::string& number, const std::string& job = "",
                                int restart = 0) const {
    fs::create_directories(root_ / ".owners");
    std::ofstream(root_ / ".owners" / number)
        << R"({"host":"elsewhere","process":1,"job":")" << job << R"(","restart":)" << restart
        << R"(,"space":"another boot","start":"1","released":false})";
  }

  const fs::path root_ = fs::path(testing::TempDir()) / fmt::format("vitrail_owner_{}", ::getpid());
  std::string said_;
  std::atomic<bool> told_ = false;
  bool stopped_ = false;
};

TEST_F(RunOwnerTest, ASecondAttemptIsRefusedWithTheOwnersName) {
  const auto first = own(here());
  try {
    own({.host = "there", .process = 5, .job = "78"});
    FAIL() << "two owners";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_THAT(e.what(),
                testing::HasSubstr(fmt::format("process {} on here, which is still running", ::getpid())));
    EXPECT_THAT(e.hint(), testing::HasSubstr("run.dir"));
  }
  EXPECT_NO_THROW(first->check(RunOwner::Look::now));
}

TEST_F(RunOwnerTest, AReleasedFolderIsFreeAtOnce) {
  for (int i = 0; i < 3; ++i) own(here());
  EXPECT_EQ(said_, "");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / ".owners"), fs::directory_iterator()), 1)
      << "only the last claim stays";
}

TEST_F(RunOwnerTest, TheLastOwnerIsToldWithoutWaiting) {
  const fs::path folder = root_ / ".owners";
  EXPECT_FALSE(last_owner(folder)) << "no folder";
  fs::create_directories(folder);
  EXPECT_FALSE(last_owner(folder)) << "no claim";
  own(here());
  EXPECT_EQ(last_owner(folder)->life, LastOwner::Life::ended) << "released";
  const auto owner = own({.host = "here", .process = ::getpid(), .job = "77", .restart = 2});
  EXPECT_EQ(last_owner(folder)->life, LastOwner::Life::alive);
  EXPECT_EQ(last_owner(folder)->number, 2);
  EXPECT_EQ(last_owner(folder)->attempt.description(), "job 77 (restart 2) on here");
  leave_claim_of_elsewhere("00000003");
  EXPECT_EQ(last_owner(folder)->life, LastOwner::Life::unknown);
  fs::last_write_time(folder / "00000003", fs::file_time_type::clock::now() - 1h);
  EXPECT_GE(last_owner(folder)->silent, 3599s);
  std::ofstream(folder / "00000004") << "{";
  EXPECT_FALSE(last_owner(folder)) << "being written";
}

TEST_F(RunOwnerTest, AnOwnerThatWasKilledIsTakenOverAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto* held = own({.host = "here", .process = ::getpid()}).release();
    ::kill(::getpid(), held != nullptr ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  own(here());
  EXPECT_EQ(said_, "") << "no waiting";
}

TEST_F(RunOwnerTest, AnOwnerThatIsEndingIsWaitedFor) {
  auto first = own(here());
  std::jthread ending([&] {
    while (!told_) std::this_thread::sleep_for(1ms);
    first.reset();
  });
  own({.host = "here", .process = ::getpid(), .job = "5"}, kPatient);
  EXPECT_THAT(said_, testing::HasSubstr("waiting for it to end"));
}

TEST_F(RunOwnerTest, AnEarlierAttemptOfTheSameJobHasEnded) {
  leave_claim_of_elsewhere("00000004", "77", 1);
  own({.host = "here", .process = ::getpid(), .job = "77", .restart = 2});
  EXPECT_EQ(said_, "");
}

TEST_F(RunOwnerTest, SilenceElsewhereIsTakenForDeathAfterTheLease) {
  leave_claim_of_elsewhere("00000004", "77");
  const auto began = std::chrono::steady_clock::now();
  own(here());
  EXPECT_GE(std::chrono::steady_clock::now() - began, kQuick.lease);
  EXPECT_THAT(said_, testing::HasSubstr("job 77 (restart 0) on elsewhere gave no sign of life"));
}

TEST_F(RunOwnerTest, ASignOfLifeElsewhereIsBelieved) {
  leave_claim_of_elsewhere("00000004", "77");
  std::jthread beating([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(50ms);
      fs::last_write_time(root_ / ".owners" / "00000004", fs::file_time_type::clock::now());
    }
  });
  EXPECT_THROW(own(here(), {.beat = 60s, .patience = 300ms, .lease = 60min}), Error);
}

TEST_F(RunOwnerTest, WaitingEndsWhenAsked) {
  leave_claim_of_elsewhere("00000004", "77");
  stopped_ = true;
  try {
    own(here());
    FAIL() << "went on";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::saved);
  }
}

TEST_F(RunOwnerTest, StrangeFilesAreOutlasted) {
  fs::create_directories(root_ / ".owners" / "00000009" / "full");
  for (const char* name : {"99999999999999999999", "9223372036854775807", "7", "claim"})
    std::ofstream(root_ / ".owners" / name) << "x";
  const auto owner = own(here());
  EXPECT_NO_THROW(owner->check(RunOwner::Look::now));
  EXPECT_TRUE(fs::exists(root_ / ".owners" / "00000010"));
}

// A node that was cut off comes back: what it still computes must not be saved.
TEST_F(RunOwnerTest, ALaterAttemptFencesAnEarlierOne) {
  const auto first = own(here());
  leave_claim_of_elsewhere("00000002", "77", 1);
  try {
    first->check(RunOwner::Look::now);
    FAIL() << "not fenced";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_THAT(e.what(), testing::HasSubstr("taken over by job 77 (restart 1) on elsewhere"));
  }
  const auto seen = [&] {  // by its heart
    try {
      first->check();
      return false;
    } catch (const Error&) {
      return true;
    }
  };
  for (int i = 0; i < 30'000 && !seen(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(seen());
}

// Many at once: each that gets the folder must find itself alone in it.
TEST_F(RunOwnerTest, RacesHaveOneWinnerAtATime) {
  std::atomic<int> inside = 0, most = 0, won = 0;
  {
    std::vector<std::jthread> attempts;
    for (int i = 0; i < 8; ++i) {
      attempts.emplace_back([&, i] {
        try {
          const RunOwner owner(root_ / ".owners",
                               {.host = "here", .process = ::getpid(), .job = std::to_string(i)},
                               OwnerWait{[](const std::string&) {}, [] { return false; }}, kPatient);
          const int now = ++inside;
          if (now > most) most = now;
          std::this_thread::sleep_for(20ms);
          --inside;
          ++won;
        } catch (const Error&) {
        }
      });
    }
  }
  EXPECT_EQ(most, 1);
  EXPECT_EQ(won, 8);
}

}  // namespace
}  // namespace vitrail::trainer
