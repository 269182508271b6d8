#include "trainer/schedule.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::trainer {
namespace {

Config config_of(const nlohmann::json& c) {
  const std::map<std::string, ScheduleName> names = {{"cosine", ScheduleName::cosine},
                                                     {"linear", ScheduleName::linear},
                                                     {"step", ScheduleName::step},
                                                     {"constant", ScheduleName::constant}};
  const std::map<std::string, EpochStepping> steppings = {
      {"off", EpochStepping::off}, {"timm", EpochStepping::timm}, {"deit", EpochStepping::deit}};
  Config config;
  config.optimizer.lr = c.at("lr");
  config.schedule.name = names.at(c.at("name"));
  config.schedule.warmup = {c.at("warmup"), Duration::Unit::epochs};
  config.schedule.warmup_lr = c.at("warmup_lr");
  config.schedule.warmup_prefix = c.at("prefix");
  config.schedule.min_lr = c.at("min_lr");
  config.schedule.decay_every = {c.at("decay_every"), Duration::Unit::epochs};
  config.schedule.decay_rate = c.at("decay_rate");
  config.schedule.per_epoch = steppings.at(c.at("per_epoch"));
  return config;
}

Config constant_run() {
  Config config;
  config.schedule.name = ScheduleName::constant;
  return config;
}

// Whole runs of published lengths and short ones at the edges, and two epochs beyond their end.
TEST(Schedule, EveryStepHasTimmsRate) {
  const SafetensorsReader fixture(VITRAIL_FIXTURES "/trainer/schedule.safetensors");
  const nlohmann::json cases = nlohmann::json::parse(fixture.metadata().at("cases"));
  EXPECT_EQ(cases.size(), 8 * 3 + 9 * 4 * 3 * 2U);
  for (const auto& [name, c] : cases.items()) {
    const std::int64_t epoch = c.at("steps_per_epoch"), steps = c.at("epochs").get<std::int64_t>() * epoch;
    const Schedule schedule(config_of(c), steps, epoch);
    const std::vector<double> rates = fixture.read_as_double(name);
    std::size_t row = 0;
    for (std::int64_t step = 0; step < steps + 2 * epoch; step += c.at("stride").get<std::int64_t>()) {
      EXPECT_NEAR(schedule.lr(step), rates.at(row), 1e-12 * rates.at(row) + 1e-18)
          << name << ", step " << step;
      ++row;
    }
    EXPECT_EQ(row, rates.size()) << name;
  }
}

TEST(Schedule, ARatePerEpochLastsForAllOfIt) {
  Config config;
  config.schedule.warmup = {2, Duration::Unit::epochs};
  for (const EpochStepping stepping : {EpochStepping::timm, EpochStepping::deit}) {
    config.schedule.per_epoch = stepping;
    const Schedule schedule(config, 100, 10);
    for (std::int64_t step = 0; step < 100; ++step) {
      EXPECT_EQ(schedule.lr(step), schedule.lr(step / 10 * 10)) << step;
    }
  }
}

TEST(Schedule, DurationsInStepsAndInEpochsAreTheSame) {
  Config in_epochs;
  in_epochs.schedule.name = ScheduleName::step;
  in_epochs.schedule.warmup = {2, Duration::Unit::epochs};
  in_epochs.schedule.decay_every = {3, Duration::Unit::epochs};
  Config in_steps = in_epochs;
  in_steps.schedule.warmup = {20, Duration::Unit::steps};
  in_steps.schedule.decay_every = {30, Duration::Unit::steps};
  const Schedule a(in_epochs, 100, 10), b(in_steps, 100, 10);
  for (std::int64_t step = 0; step < 100; ++step) EXPECT_EQ(a.lr(step), b.lr(step));
}

// DeiT's 5e-4 x 1024 / 512; timm's rules have 256 images as their base.
TEST(Schedule, PeakFollowsTheBatch) {
  Config config = constant_run();
  config.optimizer.lr = 5e-4;
  config.data.global_batch_size = 1024;
  EXPECT_EQ(Schedule(config, 100, 10).lr(50), 5e-4);
  config.schedule.scale_lr = LrScaling::linear;
  EXPECT_DOUBLE_EQ(Schedule(config, 100, 10).lr(50), 1e-3);
  config.schedule.base_batch = 256;
  EXPECT_DOUBLE_EQ(Schedule(config, 100, 10).lr(50), 2e-3);
  config.schedule.scale_lr = LrScaling::sqrt;
  EXPECT_DOUBLE_EQ(Schedule(config, 100, 10).lr(50), 1e-3);
}

TEST(Schedule, WarmupAndEndAreNotScaled) {
  Config config;
  config.data.global_batch_size = 4096;
  config.schedule.scale_lr = LrScaling::linear;
  config.schedule.warmup = {5, Duration::Unit::steps};
  const Schedule schedule(config, 100, 10);
  EXPECT_EQ(schedule.lr(0), config.schedule.warmup_lr);
  EXPECT_EQ(schedule.lr(100), config.schedule.min_lr);
}

// The same curves as learning rates of timm's: its cosine for weight decay, its line for drop-path.
TEST(Schedule, WeightDecayAndDropPathFollowTimmsCurves) {
  const SafetensorsReader fixture(VITRAIL_FIXTURES "/trainer/schedule.safetensors");
  const nlohmann::json cases = nlohmann::json::parse(fixture.metadata().at("cases"));
  for (const std::string stepping : {"off", "timm", "deit"}) {
    const std::string cosine = "no_warmup.cosine." + stepping, linear = "no_warmup.linear." + stepping;
    const nlohmann::json& c = cases.at(cosine);
    Config config = config_of(c);
    config.optimizer.weight_decay = c.at("lr");
    config.schedule.weight_decay_end = c.at("min_lr");
    config.schedule.drop_path_start = c.at("lr");
    config.model.drop_path = c.at("min_lr");
    const std::int64_t epoch = c.at("steps_per_epoch"), steps = c.at("epochs").get<std::int64_t>() * epoch;
    const std::int64_t stride = c.at("stride");
    const Schedule schedule(config, steps, epoch);
    const auto decays = fixture.read_as_double(cosine), drops = fixture.read_as_double(linear);
    for (std::size_t row = 0; row < decays.size(); ++row) {
      const std::int64_t step = static_cast<std::int64_t>(row) * stride;
      EXPECT_NEAR(schedule.weight_decay(step), decays[row], 1e-12 * decays[row]) << cosine << ", " << step;
      EXPECT_NEAR(schedule.drop_path(step), drops[row], 1e-12 * drops[row]) << linear << ", " << step;
      EXPECT_DOUBLE_EQ(schedule.weight_decay_scale(step) * 3e-3, schedule.weight_decay(step));
      EXPECT_DOUBLE_EQ(schedule.drop_path_scale(step) * 1e-5, schedule.drop_path(step));
    }
  }
}

TEST(Schedule, WeightDecayAndDropPathStayWithoutASchedule) {
  const Schedule schedule(constant_run(), 100, 10);
  for (const std::int64_t step : {0, 57, 99}) {
    EXPECT_EQ(schedule.weight_decay(step), Config().optimizer.weight_decay);
    EXPECT_EQ(schedule.weight_decay_scale(step), 1);
    EXPECT_EQ(schedule.drop_path(step), 0);
    EXPECT_EQ(schedule.drop_path_scale(step), 1);
  }
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

// numpy.linspace(0, peak, warm-up), then a cosine over the rest: DINO's code.
TEST(Schedule, WarmupToThePeakIsDinos) {
  Config config;
  config.run.steps = 10;
  config.optimizer.lr = 0.3;
  config.schedule.warmup = {4, Duration::Unit::steps};
  config.schedule.warmup_lr = 0;
  config.schedule.warmup_to_peak = config.schedule.warmup_prefix = true;
  config.schedule.min_lr = 0;
  const Schedule schedule(config, 10, 5);
  const std::vector<double> rates = {0,     0.1,  0.2,  0.3, 0.3, 0.15 * (1 + std::sqrt(3) / 2),
                                     0.225, 0.15, 0.075};
  for (std::size_t step = 0; step < rates.size(); ++step)
    EXPECT_NEAR(schedule.lr(static_cast<std::int64_t>(step)), rates[step], 1e-15) << step;
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
