#include "launcher/ranks/job_time.hpp"

#include <gtest/gtest.h>

namespace vitrail::launcher {
namespace {

using std::chrono::seconds;

TEST(JobTime, ReadsWhatSqueuePrints) {
  EXPECT_EQ(parse_time_left("1-02:03:04"), seconds(((24 + 2) * 60 + 3) * 60 + 4));
  EXPECT_EQ(parse_time_left("2:03:04"), seconds((2 * 60 + 3) * 60 + 4));
  EXPECT_EQ(parse_time_left("59:58"), seconds(59 * 60 + 58));
  EXPECT_EQ(parse_time_left("0:00"), seconds(0));
}

TEST(JobTime, AnythingElseIsNoLimit) {
  for (const char* text : {"", "UNLIMITED", "NOT_SET", "INVALID", "5", "1:2:3:4", "1-", "a:b", "-1:00"})
    EXPECT_FALSE(parse_time_left(text)) << text;
}

}  // namespace
}  // namespace vitrail::launcher
