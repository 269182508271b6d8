#include "trainer/metrics.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <regex>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A loss of every magnitude, subnormal ones among them.
double any_double(Philox& random) {
  for (;;) {
    const double value = std::bit_cast<double>(random.next_u64());
    if (std::isfinite(value)) return value;
  }
}

TEST(Metrics, FloatsReadBackToTheSameBitsAndAreShortest) {
  Philox random(9, Purpose::test, 0, 0);
  StepMetrics m;
  for (int i = 0; i < 20'000; ++i) {
    m.loss = i % 2 == 0 ? any_double(random) : random.uniform();
    m.grad_norm = static_cast<double>(static_cast<float>(random.normal()));
    const std::string line = to_json_line(m);
    const Json json = Json::parse(line);
    ASSERT_EQ(std::bit_cast<std::uint64_t>(json.at("loss").get<double>()),
              std::bit_cast<std::uint64_t>(m.loss));
    ASSERT_EQ(json.at("grad_norm").get<double>(), m.grad_norm);
    const auto digits = [](const std::string& number) {
      const std::string mantissa = number.substr(0, number.find('e'));
      std::string all;
      for (const char c : mantissa) {
        if (c >= '0' && c <= '9') all += c;
      }
      all.erase(0, std::min(all.find_first_not_of('0'), all.size()));
      return all.substr(0, all.find_last_not_of('0') + 1).size();
    };
    const std::size_t begin = line.find("\"loss\":") + 7;
    const std::string written = line.substr(begin, line.find(',', begin) - begin);
    std::array<char, 64> shortest{};
    const auto end = std::to_chars(shortest.data(), shortest.data() + shortest.size(), m.loss,
                                   std::chars_format::scientific)
                         .ptr;
    ASSERT_EQ(digits(written), digits(std::string(shortest.data(), end))) << written;
  }
}

TEST(Metrics, AStepIsOneLineWithEveryKey) {
  StepMetrics m;
  m.step = 3;
  m.order_hash = "0123456789abcdef";
  const std::string line = to_json_line(m);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Json json = Json::parse(line);
  const std::vector<std::string> expected = {
      "step",         "epoch",        "images",       "loss",          "lr",
      "weight_decay", "grad_norm",    "loss_scale",   "skipped",       "order_hash",
      "images_per_s", "mfu",          "data_wait",    "read_mb_per_s", "decode_images_per_s",
      "queue_depth",  "comm_exposed", "memory_bytes", "seconds",       "phase"};
  std::vector<std::string> keys;
  for (const auto& [key, unused] : json.items()) keys.push_back(key);
  EXPECT_EQ(keys, expected);
  EXPECT_EQ(json.at("step"), 3);
  EXPECT_EQ(json.at("order_hash"), "0123456789abcdef");
  EXPECT_TRUE(json.at("mfu").is_null());
  m.mfu = 0.25;
  m.gpu_utilisation = 0.97;
  m.phases.forward = 0.5;
  const Json more = Json::parse(to_json_line(m));
  EXPECT_EQ(more.at("mfu"), 0.25);
  EXPECT_EQ(more.at("gpu_utilisation"), 0.97);
  EXPECT_FALSE(more.contains("gpu_power_w")) << "nobody told it";
  EXPECT_EQ(more.at("phase").at("forward"), 0.5);
}

TEST(Metrics, WhatJsonHasNoNumberForIsAWord) {
  StepMetrics m;
  m.loss = std::numeric_limits<double>::quiet_NaN();
  m.grad_norm = std::numeric_limits<double>::infinity();
  m.lr = -std::numeric_limits<double>::infinity();
  const Json json = Json::parse(to_json_line(m));
  EXPECT_EQ(json.at("loss"), "nan");
  EXPECT_EQ(json.at("grad_norm"), "inf");
  EXPECT_EQ(json.at("lr"), "-inf");
  EXPECT_EQ(Json::parse(to_json_line(1, Scores{1, {loss_score(m.loss)}})).at("eval").at("loss"), "nan");
}

TEST(Metrics, WholeNumbersStayFloats) {
  StepMetrics m;
  m.loss = -0.0;
  m.lr = 1e16;
  const std::string line = to_json_line(m);
  EXPECT_NE(line.find("\"epoch\":0.0,"), std::string::npos) << line;
  EXPECT_NE(line.find("\"loss\":-0.0,"), std::string::npos) << line;
  EXPECT_NE(line.find("\"lr\":1e+16,"), std::string::npos) << line;
}

TEST(Metrics, EveryLineTellsItsAttemptAndTime) {
  const std::string line = stamped(to_json_line(20, Scores{10, {top1_score(50)}}), 3);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Json json = Json::parse(line);
  EXPECT_EQ(json.at("step"), 20);
  EXPECT_EQ(json.at("eval").at("images"), 10);
  EXPECT_EQ(json.at("attempt"), 3);
  EXPECT_TRUE(std::regex_match(json.at("time").get<std::string>(),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")))
      << line;
}

TEST(Metrics, AnEvaluationIsALineOfItsOwn) {
  EXPECT_EQ(to_json_line(20, Scores{10000, {top1_score(87.5), top5_score(99.25), loss_score(0.5)}}),
            "{\"step\":20,\"eval\":{\"images\":10000,\"top1\":87.5,\"top5\":99.25,\"loss\":0.5}}\n");
}

class MetricsFileTest : public testing::Test {
 protected:
  ~MetricsFileTest() override { fs::remove(path_); }
  fs::path path_ = fs::path(testing::TempDir()) / fmt::format("vitrail_metrics_{}.jsonl", ::getpid());
};

TEST_F(MetricsFileTest, GoesOnWhereTheCheckpointWasTaken) {
  std::uint64_t saved = 0;
  {
    MetricsFile file(path_, 0);
    file.append("one\n");
    saved = file.length();
    EXPECT_EQ(saved, 4U);
    file.sync(saved);
    file.append("two, never saved\n");
  }
  {
    MetricsFile file(path_, saved);
    file.append("two\n");
    EXPECT_EQ(file.length(), 8U);
    EXPECT_THROW(file.sync(9), Error);
  }
  EXPECT_EQ(read_text(path_), "one\ntwo\n");
  { const MetricsFile file(path_, 0); }
  EXPECT_EQ(read_text(path_), "") << "a run that begins anew has no metrics";
}

// An attempt that was taken over and does not know it yet.
TEST_F(MetricsFileTest, AnEarlierAttemptCannotWriteIntoIt) {
  MetricsFile earlier(path_, 0);
  earlier.append("one\n");
  MetricsFile later(path_, 4);
  earlier.append("two, of the dead\n");
  later.append("two\n");
  EXPECT_EQ(read_text(path_), "one\ntwo\n");
}

TEST_F(MetricsFileTest, AMissingFileIsBadDataAndIsNotMade) {
  EXPECT_THROW(MetricsFile(path_, 5), Error);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(MetricsFileTest, AShorterFileIsBadData) {
  { MetricsFile(path_, 0).append("one\n"); }
  try {
    const MetricsFile file(path_, 5);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    EXPECT_EQ(e.what(), path_.string() + ": 4 bytes, but the checkpoint recorded 5");
  }
  EXPECT_EQ(read_text(path_), "one\n");
}

TEST(ResidentBytes, GrowWithWhatIsTouched) {
  const std::int64_t before = resident_bytes();
  EXPECT_GT(before, 1 << 20);
  const std::vector<char> touched(64 << 20, 'x');
  EXPECT_GT(resident_bytes() - before, 48 << 20) << touched.back();
}

}  // namespace
}  // namespace vitrail::trainer
