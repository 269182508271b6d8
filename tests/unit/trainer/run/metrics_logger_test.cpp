#include "trainer/run/metrics_logger.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class MetricsLoggerTest : public ::testing::Test {
 protected:
  MetricsLoggerTest() {
    prepare(directory_);
    owner_.emplace(directory_.owners(), Attempt{.host = "here", .process = ::getpid()},
                   OwnerWait{[](const std::string&) {}, [] { return false; }},
                   OwnerTimes{.beat = std::chrono::milliseconds(1)});
    log_.open(directory_.log());
  }
  ~MetricsLoggerTest() override { fs::remove_all(directory_.root); }

  static StepMetrics at(std::int64_t step) {
    StepMetrics metrics;
    metrics.step = step;
    metrics.loss = 0.25;
    metrics.seconds = 2;
    metrics.data_wait = 0.5;
    metrics.memory_bytes = 3 << 20;
    return metrics;
  }
  std::vector<std::string> lines(const fs::path& file) const {
    std::vector<std::string> found;
    std::string text = read_text(file);
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
      found.push_back(text.substr(0, end));
    return found;
  }

  RunDirectory directory_{fs::path(testing::TempDir()) / fmt::format("vitrail_logger_{}", ::getpid())};
  std::optional<RunOwner> owner_;
  Log log_{true};
};

TEST_F(MetricsLoggerTest, EveryStepIsALineAndSomeAreSaid) {
  MetricsLogger logger(directory_, 0, *owner_, log_, {3, Duration::Unit::steps}, {8, 4, 0});
  for (std::int64_t step = 1; step <= 8; ++step) logger.record(at(step));
  const auto metrics = lines(directory_.metrics());
  ASSERT_EQ(metrics.size(), 8U);
  EXPECT_THAT(metrics[4], StartsWith("{\"step\":5,"));
  EXPECT_THAT(metrics[4], HasSubstr("\"attempt\":1,"));
  const auto said = lines(directory_.log());
  ASSERT_EQ(said.size(), 3U);  // the last is said in any case
  EXPECT_THAT(said[0], HasSubstr("step 3/8 epoch 0.00: loss 0.2500, "));
  EXPECT_THAT(said[0], HasSubstr("data wait 25 %, comm 0 %, 3 MiB, ETA "));
  EXPECT_THAT(said[1], HasSubstr("step 6/8"));
  EXPECT_THAT(said[2], HasSubstr("step 8/8"));
}

TEST_F(MetricsLoggerTest, GoesOnWhereACheckpointWas) {
  std::uint64_t bytes = 0;
  {
    MetricsLogger logger(directory_, 0, *owner_, log_, {0, Duration::Unit::steps}, {8, 4, 0});
    for (std::int64_t step = 1; step <= 3; ++step) {
      logger.record(at(step));
      if (step == 2) bytes = logger.file().length();
    }
  }
  MetricsLogger logger(directory_, bytes, *owner_, log_, {0, Duration::Unit::steps}, {8, 4, 2});
  logger.record(at(3));
  logger.append("{\"step\":3,\"eval\":{}}\n");
  const auto metrics = lines(directory_.metrics());
  ASSERT_EQ(metrics.size(), 4U);
  EXPECT_THAT(metrics[2], StartsWith("{\"step\":3,\"epoch\""));
  EXPECT_THAT(metrics[3], StartsWith("{\"step\":3,\"eval\":{},\"attempt\":1,"));
}

// Of an attempt that another has fenced.
TEST_F(MetricsLoggerTest, WritesNothingMoreOnceTheRunIsAnothers) {
  MetricsLogger logger(directory_, 0, *owner_, log_, {0, Duration::Unit::steps}, {8, 4, 0});
  logger.record(at(1));
  write_text_atomically(directory_.owners() / "00000002", "{}");
  const auto is_lost = [&] {  // known by the owner's next sign of life
    try {
      owner_->check();
      return false;
    } catch (const Error& e) {
      return e.code() == ExitCode::refused;
    }
  };
  while (!is_lost()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_THROW(logger.record(at(2)), Error);
  EXPECT_EQ(lines(directory_.metrics()).size(), 1U);
}

}  // namespace
}  // namespace vitrail::trainer
