#include "launcher/report/read_run.hpp"

#include <cmath>

#include <gmock/gmock.h>

#include "tests/unit/launcher/report/run_folder.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::RunFolder;

std::vector<std::string> kinds(const RunReport& run) {
  std::vector<std::string> all;
  for (const ReportedEvent& event : run.events) all.push_back(event.kind);
  return all;
}

TEST(ReadRun, HasAColumnForEveryNumberThatStepsRecord) {
  const RunFolder folder("columns");
  folder.step(1, 2.5, 1, 10);
  folder.add("metrics.jsonl",
             R"({"step":2,"epoch":0.5,"loss":"nan","more":7,"attempt":1,"time":"2026-11-29T06:30:12.500Z"})");
  folder.add("metrics.jsonl", R"({"step":3,"epoch":0.75,"loss":1.5,"attempt":1})");
  const RunReport run = read_run(folder.path());
  EXPECT_THAT(run.steps.step, ElementsAre(1, 2, 3));
  EXPECT_THAT(run.steps.epoch, ElementsAre(0.25, 0.5, 0.75));
  EXPECT_EQ(run.steps.seconds[1], 2);
  ASSERT_NE(run.steps.column("more"), nullptr);
  EXPECT_TRUE(std::isnan(run.steps.column("more")->front()));
  EXPECT_EQ((*run.steps.column("more"))[1], 7);
  EXPECT_EQ(run.steps.column("phase.forward")->front(), 0.125);
  EXPECT_TRUE(std::isnan((*run.steps.column("loss"))[1]));
  EXPECT_EQ(run.steps.column("time"), nullptr);
  EXPECT_EQ(run.begin, "2026-11-29T06:30:10.500Z");
}

TEST(ReadRun, TellsAttemptsWithTheirWorldsAndHowTheyEnded) {
  const RunFolder folder("attempts");
  folder.begin(1, 0, 2, 1);
  folder.event("saved", 1, 2, 4);
  folder.event("stopped", 1, 2, 5);
  folder.begin(2, 2, 4, 20);  // killed after step 3, which is lost
  folder.begin(3, 2, 1, 30);
  folder.add("events.jsonl",
             R"({"time":"2026-11-29T06:30:33.500Z","kind":"failed","text":"1 of 1 ranks failed\nbadly\n"})");
  for (const int step : {1, 2}) folder.step(step, 2, 1, 2 + step);
  folder.step(3, 2, 3, 32);
  const RunReport run = read_run(folder.path());
  ASSERT_EQ(run.attempts.size(), 3);
  std::vector<std::string> how;
  std::vector<std::int64_t> worlds, first, last;
  for (const ReportedAttempt& attempt : run.attempts) {
    how.push_back(attempt.how);
    worlds.push_back(attempt.world);
    first.push_back(attempt.first_step);
    last.push_back(attempt.last_step);
  }
  EXPECT_THAT(how, ElementsAre("stopped", "lost", "failed"));
  EXPECT_THAT(worlds, ElementsAre(2, 4, 1));
  EXPECT_THAT(first, ElementsAre(0, 2, 2));
  EXPECT_THAT(last, ElementsAre(2, 2, 3));
  EXPECT_EQ(run.attempts[1].begin, 19);
  EXPECT_EQ(run.attempts[2].end, 32);
  EXPECT_EQ(run.seconds, 32);
  EXPECT_EQ(run.state, "failed");
  EXPECT_EQ(run.planned_steps, 8);
  EXPECT_EQ(run.events.back().text, "1 of 1 ranks failed badly");
  EXPECT_EQ(run.events.back().attempt, 3);
  EXPECT_FALSE(run.events.back().step.has_value());
}

TEST(ReadRun, StepsThatAreSkippedInARowAreOneEvent) {
  const RunFolder folder("skipped");
  folder.begin(1, 0, 1, 0);
  folder.step(1, 2, 1, 1, 1);
  folder.step(2, 2, 1, 2, 2);
  folder.step(3, 2, 1, 3, 2);
  folder.step(4, 2, 1, 4, 3);
  const RunReport run = read_run(folder.path());
  EXPECT_THAT(kinds(run), ElementsAre("begin", "skipped", "skipped"));
  EXPECT_EQ(run.events[1].step, 1);
  EXPECT_THAT(run.events[1].text, HasSubstr("up to step 2"));
  EXPECT_EQ(run.events[2].step, 4);
  EXPECT_EQ(run.skipped(), 3);
}

TEST(ReadRun, OfARunWithoutEventsTheMetricsTellWhatTheyCan) {
  const RunFolder folder("earlier");
  folder.step(1, 2, 1, 1);
  folder.add(
      "metrics.jsonl",
      R"({"step":1,"gone_back":{"from":3,"left_out_batches":2},"attempt":1,"time":"2026-11-29T06:30:03.500Z"})");
  folder.step(2, 2, 4, 9);
  folder.evaluation(2, 62.5, 4, 10);
  const RunReport run = read_run(folder.path());
  ASSERT_EQ(run.attempts.size(), 2);
  EXPECT_EQ(run.attempts[1].number, 4);
  EXPECT_EQ(run.attempts[1].world, 0);
  EXPECT_THAT(kinds(run), ElementsAre("rollback"));
  EXPECT_EQ(run.state, "interrupted");
  EXPECT_EQ(run.score("top1"), 62.5);
  EXPECT_EQ(run.steps.rows(), 2);
}

TEST(ReadRun, TakesAnEvaluationWithItsClasses) {
  const RunFolder folder("evaluated");
  folder.step(1, 2, 1, 1);
  folder.add(
      "evaluation.json",
      R"({"images":4,"top1":75.0,"loss":0.5,"classes":[{"class":0,"images":3,"top1":100.0,"top5":100.0},)"
      R"({"class":1,"images":1,"top1":0.0,"top5":100.0}],"confusion":[[0,0,3],[1,0,1]],"used":{"weights":"runs/x","data":"d","date":"t"}})");
  const RunReport run = read_run(folder.path());
  ASSERT_TRUE(run.evaluation.has_value());
  EXPECT_EQ(run.evaluation->images, 4);
  ASSERT_EQ(run.evaluation->classes.size(), 2);
  EXPECT_EQ(run.evaluation->classes[1].name, "1");
  EXPECT_EQ(run.evaluation->classes[1].top1, 0);
  EXPECT_EQ(run.evaluation->data, "d");
  ASSERT_EQ(run.evaluation->confusion.size(), 2);
  const std::vector<ReportedMistakes> wrong = mistakes_of(*run.evaluation);
  ASSERT_EQ(wrong.size(), 1);
  EXPECT_EQ(wrong[0].label, 1);
  EXPECT_EQ(wrong[0].taken_for, 0);
  EXPECT_EQ(wrong[0].images, 1);
}

void expect_refused(const std::filesystem::path& folder, const std::string& words) {
  try {
    read_report({folder.string()});
    FAIL() << "it was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    EXPECT_THAT(e.what(), HasSubstr(words));
  }
}

TEST(ReadRun, RefusesWhatNoRunWrites) {
  const RunFolder evaluated("odd_evaluation"), confused("odd_confusion"), events("odd_events"),
      metrics("odd_metrics");
  evaluated.step(1, 2, 1, 1);
  evaluated.add("evaluation.json", R"({"top1":75.0})");
  expect_refused(evaluated.path(), "evaluation.json: not what `vitrail eval --format json` prints");
  confused.step(1, 2, 1, 1);
  confused.add("evaluation.json", R"({"images":1,"classes":[],"confusion":[[0,0,1]]})");
  expect_refused(confused.path(), "evaluation.json: not what `vitrail eval --format json` prints");
  events.step(1, 2, 1, 1);
  events.add("events.jsonl", R"({"kind":7})");
  expect_refused(events.path(), "events.jsonl:1: no line that a run writes");
  metrics.add("metrics.jsonl", "no JSON");
  expect_refused(metrics.path(), "no JSON object");
}

TEST(ReadReport, TakesRunsAndFoldersOfRuns) {
  const RunFolder a("sweep/b-2"), b("sweep/b-1"), alone("alone");
  for (const RunFolder* folder : {&a, &b, &alone}) folder->step(1, 2, 1, 1);
  const Report report = read_report({(alone.parent() / "sweep").string(), alone.path().string() + "/"});
  ASSERT_EQ(report.runs.size(), 3);
  EXPECT_EQ(report.runs[0].name, "b-1");
  EXPECT_EQ(report.runs[1].name, "b-2");
  EXPECT_EQ(report.runs[2].name, "alone");
  EXPECT_THROW(read_report({"no/such"}), Error);
  const RunFolder empty("nothing");
  EXPECT_THROW(read_report({empty.path().string()}), Error);
}

// Names are labels of time series and folders of event files, so none stands twice or leads elsewhere.
TEST(ReadReport, TellsRunsOfOneNameApart) {
  const RunFolder a("sweep-a/lr-1"), b("sweep-b/lr-1"), other("sweep-b/lr-2");
  for (const RunFolder* folder : {&a, &b, &other}) folder->step(1, 2, 1, 1);
  const std::string around = (a.path() / "../../sweep-b").string();
  const Report report = read_report({a.path().string(), around, b.path().string() + "/."});
  ASSERT_EQ(report.runs.size(), 3) << "one was named twice";
  EXPECT_EQ(report.runs[0].name, "sweep-a/lr-1");
  EXPECT_EQ(report.runs[1].name, "sweep-b/lr-1");
  EXPECT_EQ(report.runs[2].name, "lr-2");
}

}  // namespace
}  // namespace vitrail::launcher
