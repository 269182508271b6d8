#include "trainer/schedule.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/safetensors.hpp"

namespace vitrail::trainer {
namespace {

ScheduleConfig cosine(std::int64_t warmup, double warmup_lr, double min_lr) {
  return {ScheduleName::cosine, {warmup, Duration::Unit::steps}, warmup_lr, min_lr};
}

// Whole runs, and some steps beyond their end. Among the cases: a rate that falls while warming up, and one
// that the cosine raises to a min_lr above it.
TEST(Schedule, EveryStepHasTimmsRate) {
  const SafetensorsReader fixture(VITRAIL_FIXTURES "/trainer/schedule.safetensors");
  const auto cases = nlohmann::json::parse(fixture.metadata().at("cases"));
  EXPECT_EQ(cases.size(), 6U);
  for (const auto& [name, c] : cases.items()) {
    const Schedule schedule(cosine(c.at("warmup"), c.at("warmup_lr"), c.at("min_lr")), c.at("lr"),
                            c.at("steps"), 7);
    const std::vector<double> rates = fixture.read_as_double("lr." + name);
    EXPECT_GT(rates.size(), c.at("steps").get<std::size_t>());
    for (std::size_t step = 0; step < rates.size(); ++step) {
      EXPECT_NEAR(schedule.lr(static_cast<std::int64_t>(step)), rates[step], 1e-12 * rates[step] + 1e-18)
          << name << ", step " << step;
    }
  }
}

TEST(Schedule, ConstantWarmsUpToo) {
  ScheduleConfig config = cosine(4, 0.0, 1e-5);
  config.name = ScheduleName::constant;
  const Schedule schedule(config, 0.8, 10, 5);
  const std::vector<double> expected = {0.0, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8};
  for (std::size_t step = 0; step < expected.size(); ++step) {
    EXPECT_DOUBLE_EQ(schedule.lr(static_cast<std::int64_t>(step)), expected[step]);
  }
  EXPECT_EQ(schedule.lr(1'000'000), 0.8);
}

TEST(Schedule, WarmupInEpochs) {
  ScheduleConfig config = cosine(0, 1e-6, 1e-5);
  config.warmup = {2, Duration::Unit::epochs};
  const Schedule in_epochs(config, 1e-3, 100, 10), in_steps(cosine(20, 1e-6, 1e-5), 1e-3, 100, 10);
  for (std::int64_t step = 0; step < 100; ++step) EXPECT_EQ(in_epochs.lr(step), in_steps.lr(step));
}

TEST(Schedule, TheClockIsRefusedByName) {
  try {
    in_steps({10, Duration::Unit::seconds}, 5, "schedule.warmup");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_STREQ(e.what(), "schedule.warmup = 10s: a schedule cannot depend on the clock");
  }
}

TEST(Schedule, LengthsBeyondCountingAreRefused) {
  RunConfig run;
  run.epochs = 1'000'000;
  for (const auto& length :
       {std::function<void()>([] {
          in_steps({999'999'999'999'999'999, Duration::Unit::epochs}, 5000, "schedule.warmup");
        }),
        std::function<void()>([&] { total_steps(run, std::int64_t{1} << 60); })}) {
    try {
      length();
      FAIL() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::refused);
      EXPECT_THAT(e.what(), testing::HasSubstr("too many to count"));
    }
  }
}

TEST(Schedule, LengthOfARun) {
  RunConfig run;
  run.epochs = 3;
  EXPECT_EQ(total_steps(run, 7), 21);
  run.steps = 5;
  EXPECT_EQ(total_steps(run, 7), 5);
}

}  // namespace
}  // namespace vitrail::trainer
