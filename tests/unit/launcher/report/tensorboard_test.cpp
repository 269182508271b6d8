#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launcher/report/tensorboard/event_file.hpp"
#include "launcher/report/tensorboard/wire.hpp"

namespace vitrail::launcher {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;
using namespace std::string_view_literals;

// RFC 3720, B.4.
TEST(Crc32c, IsThatOfTheStandardsExamples) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aa);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283);
}

// The encoding guide's own examples: 150 is 96 01, "testing" follows its length.
TEST(Message, IsEncodedAsTheGuideSays) {
  EXPECT_EQ(Message().add(1, std::int64_t{150}).bytes(), "\x08\x96\x01"sv);
  EXPECT_EQ(Message().add(2, "testing"sv).bytes(), "\x12\x07testing"sv);
  EXPECT_EQ(Message().add(3, Message().add(1, std::int64_t{150})).bytes(), "\x1a\x03\x08\x96\x01"sv);
  EXPECT_EQ(Message().add(1, 1.0).bytes(), "\x09\0\0\0\0\0\0\xf0\x3f"sv);
  EXPECT_EQ(Message().add(2, 1.0F).bytes(), "\x15\0\0\x80\x3f"sv);
  EXPECT_EQ(Message().add(1, std::int64_t{-1}).bytes(), "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv);
}

// Of each record, whose sums must be right.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < file.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data() + at, sizeof length);
    all.push_back(file.substr(at + 12, length));
    at += 16 + length;
  }
  return all;
}

TEST(EventFile, HasARecordForTheVersionTheSettingsEachStepEvaluationAndTheEnd) {
  RunReport run;
  run.name = "first";
  run.state = "finished";
  run.begin = "2026-11-29T06:30:10.500Z";
  run.seconds = 9;
  run.step = 2;
  run.settings = {{"optimizer.lr", "0.001"}, {"optimizer.name", "lamb"}, {"ema.on", "true"}};
  run.steps.step = {1, 2};
  run.steps.seconds = {1, 2};
  run.steps.epoch = {0.5, 1};
  run.steps.attempt = {1, 1};
  run.steps.names = {"loss"};
  run.steps.columns = {{2.5, std::nan("")}};
  run.evaluations = {{2, 3, {{"top1", 50}}}};
  const auto all = records(event_file(run));
  ASSERT_EQ(all.size(), 6);
  EXPECT_THAT(all[0], HasSubstr("brain.Event:2"));
  EXPECT_THAT(all[1], HasSubstr("_hparams_/session_start_info"));
  EXPECT_THAT(all[1], HasSubstr("optimizer.name\x12\x06\x1a\x04lamb"));
  EXPECT_THAT(all[1], HasSubstr("ema.on\x12\x02\x20\x01"));
  EXPECT_THAT(all[2], HasSubstr("\ntrain/loss"s + "\x15\0\0\x20\x40"s));
  EXPECT_THAT(all[3], testing::Not(HasSubstr("train/loss")));
  EXPECT_THAT(all[4], HasSubstr("eval/top1"));
  EXPECT_THAT(all[5], HasSubstr("_hparams_/session_end_info"));
  EXPECT_EQ(event_file_name(run), "events.out.tfevents.1795933810.vitrail");
  run.pictures = {{"attention", 2, "a", "", {}, 8, 4, "PNG"},
                  {"attention", 2, "damaged", "why", {}, 0, 0, ""},
                  {"preview", 0, "b", "", {}, 8, 4, "PNG"}};
  const auto with_pictures = records(event_file(run));
  ASSERT_EQ(with_pictures.size(), 8);
  EXPECT_THAT(with_pictures[5], HasSubstr("attention/0\x22\x0b\x08\x04\x10\x08\x18\x03\x22\x03PNG"));
  EXPECT_THAT(with_pictures[6], HasSubstr("preview\x22"));
}

}  // namespace
}  // namespace vitrail::launcher
