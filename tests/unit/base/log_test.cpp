#include "trainer/base/log.hpp"

#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "trainer/base/text/wall_time.hpp"

namespace vitrail {
namespace {

using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  LogTest() { std::filesystem::create_directories(folder_); }
  ~LogTest() override { std::filesystem::remove_all(folder_); }

  void open(Log& log, std::int64_t attempt = 3) const {
    log.open(folder_ / "log.txt", folder_ / "events.jsonl", attempt);
  }
  std::vector<nlohmann::json> events() const {
    std::vector<nlohmann::json> all;
    std::istringstream lines(read_text(folder_ / "events.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      all.push_back(nlohmann::json::parse(line));
      EXPECT_TRUE(seconds_of_utc(all.back().at("time")).has_value());
      all.back().erase("time");
    }
    return all;
  }

  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("vitrail_log_{}", ::getpid());
};

TEST_F(LogTest, AnEventIsALineForPeopleAndOneForPrograms) {
  Log log(true);
  open(log);
  log.line("a word");
  log.event({"slow_rank", 7, "rank 2 is \"slow\"", {{"rank", 2}}});
  EXPECT_THAT(read_text(folder_ / "log.txt"), MatchesRegex(".* a word\n.* rank 2 is \"slow\"\n"));
  ASSERT_EQ(events().size(), 1);
  EXPECT_EQ(
      events()[0],
      nlohmann::json(
          {{"attempt", 3}, {"kind", "slow_rank"}, {"step", 7}, {"text", "rank 2 is \"slow\""}, {"rank", 2}}));
}

TEST_F(LogTest, AnyRankKeepsWhyTheRunFailed) {
  Log first(true), other(false);
  open(first);
  open(other, 0);
  other.event({"begin", 0, "of rank 0 alone"});
  other.keep("1 of 2 ranks failed\n");
  ASSERT_EQ(events().size(), 1);
  EXPECT_EQ(events()[0], nlohmann::json({{"kind", "failed"}, {"text", "1 of 2 ranks failed\n"}}));
}

TEST_F(LogTest, BytesThatAreNoTextAreReplaced) {
  Log log(true);
  open(log);
  log.event({"damaged_image", 1,
             "a\xff"
             "b.jpg"});
  EXPECT_EQ(events()[0].at("text"),
            "a\xef\xbf\xbd"
            "b.jpg");
}

TEST_F(LogTest, AFullDiskEndsNoRun) {
  Log log(true);
  log.open("/dev/null", "/dev/full", 1);
  log.event({"begin", 0, "begins"});
  log.event({"saved", 2, "saved"});
}

}  // namespace
}  // namespace vitrail
