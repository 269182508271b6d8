#include "launcher/commands/schedule/schedule_listing.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace vitrail::launcher {
namespace {

using trainer::Config;
using trainer::Schedule;

nlohmann::json listed(const Config& config, std::int64_t steps, std::int64_t steps_per_epoch) {
  return nlohmann::json::parse(schedule_json(config, Schedule(config, steps, steps_per_epoch)));
}

// DeiT III's 800 epochs: rows at whole epochs, the end of the warm-up and the last step among them.
TEST(ScheduleListing, LongRunsInFortyRows) {
  Config config;
  config.schedule.warmup = {5, Duration::Unit::epochs};
  const auto json = listed(config, 800 * 625, 625);
  const auto& rows = json.at("rows");
  EXPECT_EQ(json.at("steps"), 500000);
  EXPECT_EQ(rows.size(), 42U);
  EXPECT_EQ(rows.front().at("lr"), 1e-6);
  EXPECT_EQ(rows.at(1).at("step"), 5 * 625);
  EXPECT_EQ(rows.back().at("step"), 499999);
  for (std::size_t i = 0; i + 1 < rows.size(); ++i) {
    const double epoch = rows.at(i).at("epoch");
    EXPECT_EQ(epoch, std::floor(epoch));
  }
}

TEST(ScheduleListing, ShortRunsStepByStep) {
  EXPECT_EQ(listed(Config(), 30, 7).at("rows").size(), 30U);
  EXPECT_EQ(listed(Config(), 1, 1000).at("rows").size(), 1U);
}

TEST(ScheduleListing, SaysWhatIsEasilyOverlooked) {
  Config config;
  EXPECT_TRUE(listed(config, 100, 10).at("notes").empty());
  config.optimizer.lr = 5e-6;
  config.schedule.warmup = {20, Duration::Unit::epochs};
  config.schedule.scale_lr = trainer::LrScaling::linear;
  config.data.global_batch_size = 256;
  EXPECT_THAT(listed(config, 100, 10).at("notes"),
              testing::ElementsAre(
                  "peak rate 2.5e-06 = optimizer.lr 5e-06 x (256 / 512 images)",
                  "warning: schedule.min_lr = 1e-05 is above the peak learning rate 2.5e-06: the rate rises "
                  "towards it instead of falling, as in timm",
                  "warning: schedule.warmup = 20ep is 200 steps and the run has 100: the learning rate never "
                  "reaches its peak 2.5e-06, the last step has 1.74e-06; shorten schedule.warmup or lengthen "
                  "the run"));
}

TEST(ScheduleListing, TextHasTheSameNumbers) {
  Config config;
  config.schedule.name = trainer::ScheduleName::linear;
  config.schedule.min_lr = 0;
  config.model.drop_path = 0.2;
  config.schedule.drop_path_start = 0;
  EXPECT_EQ(schedule_text(config, Schedule(config, 2, 1)),
            "2 steps, 1 an epoch\n"
            "   epoch       step           lr  weight decay drop-path\n"
            "    0.00          0        0.003          0.02         0\n"
            "    1.00          1       0.0015          0.02       0.1\n");
}

}  // namespace
}  // namespace vitrail::launcher
