#include "launcher/watch/glance.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "launcher/watch/open_metrics.hpp"
#include "tests/unit/launcher/report/run_folder.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/run_owner.hpp"

namespace vitrail::launcher {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::RunFolder;

// A run that this process owns, at two seconds a step.
class RunningRun {
 public:
  explicit RunningRun(const std::string& name, const std::string& every)
      : folder_(name), owner_(folder_.path() / ".owners", {.host = "here", .process = ::getpid()}, kNoWait) {
    folder_.add("config.cfg", "[checkpoint]\nevery = " + every);
    folder_.begin(1, 0, 2, 0);
    for (int step = 1; step <= 3; ++step) folder_.step(step, 2.5, 1, 2 * step);
  }

  const RunFolder& folder() const { return folder_; }
  Glance glance() const { return glance_at(folder_.path()); }

 private:
  static inline const trainer::OwnerWait kNoWait{[](const std::string&) {}, [] { return false; }};

  RunFolder folder_;
  trainer::RunOwner owner_;
};

TEST(Glance, TellsTheTimeToTheEndAndToTheNextCheckpoint) {
  const RunningRun run("watched", "4st");
  const Glance glance = run.glance();
  EXPECT_EQ(glance.state, RunState::running);
  EXPECT_EQ(glance.step, 3);
  EXPECT_EQ(glance.planned_steps, 8);
  EXPECT_EQ(glance.step_seconds, 2);
  EXPECT_EQ(glance.seconds_left, 10);
  EXPECT_EQ(glance.seconds_to_checkpoint, 2);
  EXPECT_EQ(
      one_line(glance),
      "watched: step 3 of 8, epoch 0.75, loss 2.5000, 102 images/s, ETA 10 s, next checkpoint in 2.0 s");
}

TEST(Glance, CountsCheckpointsByTheClockFromTheLastOne) {
  const RunningRun run("by_the_clock", "9s");
  EXPECT_EQ(run.glance().seconds_to_checkpoint, 3);  // the attempt began at 0, it is 6
  run.folder().event("saved", 1, 3, 6);
  EXPECT_EQ(run.glance().seconds_to_checkpoint, 9);
  const RunningRun long_one("at_the_end", "1h");
  EXPECT_EQ(long_one.glance().seconds_to_checkpoint, 10);  // the end saves
  const RunningRun epochs("by_epochs", "1ep");
  EXPECT_EQ(epochs.glance().seconds_to_checkpoint, 2);  // 4 steps an epoch
  const RunningRun never("never", "0s");
  EXPECT_FALSE(never.glance().seconds_to_checkpoint.has_value());
}

TEST(Glance, AWaitBetweenAttemptsIsNoPace) {
  const RunningRun run("again", "4st");
  run.folder().begin(2, 3, 1, 30);
  for (int step = 4; step <= 6; ++step) run.folder().step(step, 2.5, 2, 28 + step);
  EXPECT_EQ(run.glance().step_seconds, 1);
  EXPECT_EQ(run.glance().seconds_left, 2);
}

TEST(Glance, OfARunThatHasEndedNothingIsEstimated) {
  const RunFolder folder("ended");
  folder.begin(1, 0, 2, 0);
  folder.step(1, 2.5, 1, 1);
  folder.evaluation(1, 62.5, 1, 2);
  folder.event("stopped", 1, 1, 2);
  const Glance glance = glance_at(folder.path());
  EXPECT_EQ(glance.state, RunState::preempted);
  EXPECT_TRUE(glance.may_go_on());
  EXPECT_EQ(glance.top1, 62.5);
  EXPECT_FALSE(glance.seconds_left.has_value());
  EXPECT_THAT(one_line(glance), HasSubstr("images/s (preempted)"));
  folder.add("events.jsonl", R"({"time":"2026-11-29T06:30:33.500Z","kind":"failed","text":"badly"})");
  EXPECT_FALSE(glance_at(folder.path()).may_go_on());
}

TEST(Glance, TellsWhatTheLastStepTellsOfAGpu) {
  const RunFolder folder("on_a_gpu");
  folder.add("metrics.jsonl", R"({"step":1,"loss":2.5,"gpu_utilisation":0.5,"gpu_power_w":300})");
  folder.add("metrics.jsonl", R"({"step":2,"loss":2.5,"gpu_utilisation":0.97,"gpu_power_w":652.5})");
  const Glance glance = glance_at(folder.path());
  EXPECT_THAT(open_metrics({glance}),
              AllOf(HasSubstr("vitrail_gpu_utilisation_ratio{run=\"on_a_gpu\"} 0.97\n"),
                    HasSubstr("vitrail_gpu_power_watts{run=\"on_a_gpu\"} 652.5\n")));
  EXPECT_EQ(nlohmann::json::parse(glances_json({glance}))[0]["gpu_power_w"], 652.5);
}

TEST(Glance, OfALongFileOnlyTheEndIsRead) {
  const RunFolder folder("long");
  folder.add("metrics.jsonl", "what nobody looks at, far from the end, and is no JSON");
  for (int step = 1; step <= 1000; ++step) folder.step(step, 2.5, 1, step / 20);
  EXPECT_EQ(glance_at(folder.path()).step, 1000);
  folder.add("metrics.jsonl", "torn");
  EXPECT_THAT([&] { glance_at(folder.path()); },
              testing::ThrowsMessage<Error>(HasSubstr("metrics.jsonl, line 1 from its end: no JSON object")));
}

TEST(Glance, SeveralAreATableAndASum) {
  Glance first, second;
  first.name = "first";
  first.state = RunState::running;
  first.step = 3;
  first.seconds_left = 10;
  second.name = "second";
  second.state = RunState::finished;
  const std::string text = glances_text({first, second});
  EXPECT_THAT(text, HasSubstr(" first   running      3"));
  EXPECT_THAT(text, HasSubstr("2 runs: 1 finished, 1 running\n"));
  const auto json = nlohmann::json::parse(glances_json({first, second}));
  EXPECT_EQ(json[0]["seconds_left"], 10);
  EXPECT_TRUE(json[1]["loss"].is_null());
}

TEST(OpenMetrics, HasALineForWhatIsKnown) {
  Glance run;
  run.name = "a \"b\"";
  run.state = RunState::running;
  run.step = 12;
  run.loss = 2.5;
  const std::string text = open_metrics({run});
  EXPECT_THAT(text, HasSubstr("# TYPE vitrail_step gauge\n# HELP vitrail_step Finished optimizer steps.\n"
                              "vitrail_step{run=\"a \\\"b\\\"\"} 12\n"));
  EXPECT_THAT(text, HasSubstr("vitrail_loss{run=\"a \\\"b\\\"\"} 2.5\n"));
  EXPECT_THAT(text, Not(HasSubstr("vitrail_planned_steps")));
  EXPECT_THAT(text, Not(HasSubstr("gpu"))) << "a processor computes";
  EXPECT_TRUE(text.ends_with("# EOF\n"));
}

}  // namespace
}  // namespace vitrail::launcher
