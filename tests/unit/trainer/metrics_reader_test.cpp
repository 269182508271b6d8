#include "trainer/metrics_reader.hpp"

#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/metrics.hpp"

namespace vitrail::trainer {
namespace {

class MetricsReaderTest : public testing::Test {
 protected:
  ~MetricsReaderTest() override { std::filesystem::remove(path_); }

  MetricsReader reader(const std::string& text) const {
    std::ofstream(path_) << text;
    return MetricsReader(path_);
  }

  static std::string step_line(std::int64_t step, double loss) {
    StepMetrics metrics;
    metrics.step = step;
    metrics.epoch = static_cast<double>(step) / 8;
    metrics.loss = loss;
    metrics.seconds = 0.5;
    metrics.comm_exposed = 0.1;
    metrics.memory_bytes = 1000;
    return stamped(to_json_line(metrics), 1);
  }

  static Scores scores(double top1, double top5, double loss) {
    return {10, {top1_score(top1), top5_score(top5), loss_score(loss)}};
  }

  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("vitrail_metrics_{}.jsonl", ::getpid());
};

// What the writer writes is what the reader finds, in order, whatever stands between.
TEST_F(MetricsReaderTest, FindsWhatARunHasWritten) {
  std::string text;
  for (std::int64_t step = 1; step <= 6; ++step) {
    text += step_line(step, 1.0 / static_cast<double>(step));
    if (step == 2) text += stamped(to_json_line(2, scores(30, 60, 2.5)), 1);
    if (step == 4) text += stamped(to_json_line(Rollback{4, 3, 1}), 1);
    if (step == 5) text += stamped(to_json_line(5, scores(40, 70, 1.5)), 1);
  }
  const MetricsReader metrics = reader(text);
  const auto steps = metrics.steps();
  ASSERT_EQ(steps.size(), 6U);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].step, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(steps[i].loss, 1.0 / static_cast<double>(i + 1));
  }
  EXPECT_EQ(steps[5].epoch, 0.75);
  EXPECT_EQ(steps[5].seconds, 0.5);
  EXPECT_EQ(steps[5].comm_exposed, 0.1);
  EXPECT_EQ(steps[5].memory_bytes, 1000);
  const auto last = metrics.steps(2);
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(last[0].step, 5);
  EXPECT_EQ(last[1].step, 6);
  const auto evaluation = metrics.last_evaluation();
  ASSERT_TRUE(evaluation);
  EXPECT_EQ(evaluation->step, 5);
  EXPECT_EQ(evaluation->score("top1"), 40);
  EXPECT_EQ(evaluation->score("top5"), 70);
  EXPECT_EQ(evaluation->score("loss"), 1.5);
  EXPECT_EQ(evaluation->score("recall"), std::nullopt);
}

TEST_F(MetricsReaderTest, ALineThatIsBeingWrittenIsNotThereYet) {
  const std::string text = step_line(1, 2) + step_line(2, 1);
  EXPECT_EQ(reader(text.substr(0, text.size() - 1)).steps().size(), 1U);
  EXPECT_EQ(reader(text).steps().size(), 2U);
  EXPECT_TRUE(reader("").steps().empty());
  EXPECT_FALSE(reader("").last_evaluation());
}

TEST_F(MetricsReaderTest, ALossThatIsNoNumberIsAbsent) {
  EXPECT_EQ(reader(step_line(1, std::nan(""))).steps().front().loss, std::nullopt);
  EXPECT_EQ(reader(step_line(1, HUGE_VAL)).steps().front().loss, std::nullopt);
}

// Of a file whose earlier lines are damaged the last ones can be read all the same.
TEST_F(MetricsReaderTest, WhatIsNoLineOfMetricsIsRefusedByName) {
  const MetricsReader metrics = reader(step_line(6, 1) + "nonsense\n" + step_line(7, 1));
  EXPECT_EQ(metrics.steps(1).front().step, 7);
  try {
    metrics.steps();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_data);
    EXPECT_EQ(std::string(error.what()), path_.string() + ":2: no JSON object: nonsense");
  }
}

}  // namespace
}  // namespace vitrail::trainer
