#include "launcher/report/forms.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "launcher/report/thin.hpp"

namespace vitrail::launcher {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

RunReport run_with(const std::string& name, const std::vector<double>& losses, const SettingsMap& settings) {
  RunReport run;
  run.name = name;
  run.folder = "runs/" + name;
  run.state = "finished";
  run.settings = settings;
  run.steps.names = {"loss", "lr"};
  run.steps.columns = {losses, std::vector<double>(losses.size(), 0.5)};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    run.steps.step.push_back(static_cast<std::int64_t>(i) + 1);
    run.steps.epoch.push_back(static_cast<double>(i + 1) / 2);
    run.steps.seconds.push_back(static_cast<double>(i));
    run.steps.attempt.push_back(1);
  }
  run.step = static_cast<std::int64_t>(losses.size());
  return run;
}

Report two_runs() {
  Report report;
  report.runs.push_back(
      run_with("first", {4, 3, 2, 1}, {{"run.name", "first"}, {"run.seed", "1"}, {"run.lanes", "4"}}));
  report.runs.push_back(
      run_with("second", {4, 3, 2, 0.5}, {{"run.name", "second"}, {"run.seed", "2"}, {"run.lanes", "4"}}));
  report.runs[0].evaluations = {{4, 3.5, {{"loss", 0.75}, {"top1", 50}}}};
  report.runs[0].attempts = {{1, 2, 1, 0, 4, 0, 4, "finished"}};
  report.runs[0].events = {{"2026-11-29T06:30:00.000Z", 0, 1, 0, "begin", "begins"},
                           {"2026-11-29T06:30:02.000Z", 2, 1, 2, "saved", "saved it"},
                           {"2026-11-29T06:30:03.000Z", 3, 1, {}, "failed", "</script> \"badly\""}};
  return report;
}

TEST(Thin, SharesStepsBetweenPointsAsEvenlyAsCanBe) {
  std::vector<std::size_t> widths;
  for (const Stretch& point : stretches(10, 4)) widths.push_back(point.end - point.begin);
  EXPECT_THAT(widths, ElementsAre(2, 3, 2, 3));
  EXPECT_EQ(stretches(3, 100).size(), 3);
  EXPECT_TRUE(stretches(0, 100).empty());
}

TEST(Thin, ValuesThatAreNoNumbersAreLeftOut) {
  const double none = std::nan("");
  const ThinCurve curve = thin({1, none, 3, none, none, none}, stretches(6, 2));
  EXPECT_THAT(curve.mean[0], 2);
  EXPECT_THAT(curve.least[0], 1);
  EXPECT_THAT(curve.most[0], 3);
  EXPECT_TRUE(std::isnan(curve.mean[1]));
  EXPECT_TRUE(std::isnan(curve.least[1]));
}

TEST(Report, RunsAreRankedByAccuracyWhereThereIsOneElseByLoss) {
  Report report = two_runs();
  EXPECT_EQ(ranking_of(report).by, "top1");
  EXPECT_THAT(ranking_of(report).order, ElementsAre(0, 1));  // the second has none
  report.runs[0].evaluations.clear();
  EXPECT_EQ(ranking_of(report).by, "loss");
  EXPECT_THAT(ranking_of(report).order, ElementsAre(1, 0));
  report.runs[1].steps.columns[0].back() = std::nan("");  // diverged
  EXPECT_THAT(ranking_of(report).order, ElementsAre(0, 1));
}

TEST(Report, SettingsDifferButForNamesAndPlaces) {
  Report report = two_runs();
  EXPECT_THAT(differing_settings(report), ElementsAre("run.seed"));
  report.runs[1].settings["ema.decay"] = "0.5";  // a key that the first does not know
  EXPECT_THAT(differing_settings(report), ElementsAre("ema.decay", "run.seed"));
}

TEST(ReportForms, JsonHasWhatAPageDraws) {
  const json root = json::parse(report_json(two_runs(), 2));
  EXPECT_EQ(root["differences"], json({"run.seed"}));
  EXPECT_EQ(root["ranking"], json({0, 1}));
  const json& run = root["runs"][0];
  EXPECT_EQ(run["steps"]["step"], json({2, 4}));
  EXPECT_EQ(run["steps"]["curves"]["loss"],
            json({{"mean", {3.5, 1.5}}, {"least", {3.0, 1.0}}, {"most", {4.0, 2.0}}}));
  EXPECT_EQ(run["steps"]["curves"]["lr"], json({{"constant", 0.5}}));
  EXPECT_EQ(run["evaluations"][0]["scores"]["top1"], 50.0);
  EXPECT_EQ(run["attempts"][0]["world"], 2);
  EXPECT_EQ(run["events"][2]["text"], "</script> \"badly\"");
  EXPECT_TRUE(run["events"][2]["step"].is_null());
  EXPECT_TRUE(root["runs"][1]["evaluation"].is_null());
  EXPECT_FALSE(
      json::parse(report_json(two_runs(), 4))["runs"][0]["steps"]["curves"]["loss"].contains("least"));
}

TEST(ReportForms, APageNeedsNothingButItself) {
  Report report = two_runs();
  report.runs.pop_back();
  report.runs[0].name = "<b> & more";
  const std::string page = report_html(report, 100);
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("<title>&lt;b> &amp; more - vitrail report</title>"));
  EXPECT_THAT(page, HasSubstr("\\u003c/script> \\\"badly\\\""));
  EXPECT_THAT(page, Not(HasSubstr("</script> \\\"badly")));
  EXPECT_THAT(page, Not(HasSubstr(" src=")));
  EXPECT_THAT(page, Not(HasSubstr("@import")));
  EXPECT_THAT(page, HasSubstr("Mike Bostock. All rights reserved."));
}

// RFC 4648, 10.
TEST(ReportForms, PicturesAreInBase64) {
  for (const auto& [bytes, text] : {std::pair("f", "Zg=="),
                                    {"fo", "Zm8="},
                                    {"foo", "Zm9v"},
                                    {"foob", "Zm9vYg=="},
                                    {"\xff\xfe\xfd", "//79"}}) {
    Report report = two_runs();
    report.runs[0].pictures = {{"attention", 4, "a.png", "cat 0.98", {"image", "mean"}, 60, 28, bytes}};
    const json picture = json::parse(report_json(report, 2))["runs"][0]["pictures"][0];
    EXPECT_EQ(picture["png"], text);
    EXPECT_EQ(picture["columns"], json({"image", "mean"}));
    EXPECT_EQ(picture["height"], 28);
  }
}

TEST(ReportForms, CsvHasALineForEachStepAndEvaluation) {
  Report report = two_runs();
  report.runs[0].name = "first, \"a\"";
  const std::string csv = report_csv(report);
  EXPECT_THAT(csv, HasSubstr("run,step,epoch,seconds,attempt,loss,lr,eval.loss,eval.top1\n"
                             "\"first, \"\"a\"\"\",1,0.5,0,1,4,0.5,,\n"));
  EXPECT_THAT(csv, HasSubstr("\"first, \"\"a\"\"\",4,,3.5,,,,0.75,50\n"));
  EXPECT_THAT(csv, HasSubstr("second,4,2,3,1,0.5,0.5,,\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 10);
}

TEST(ReportForms, TextHasRunsDifferencesAttemptsAndEvents) {
  Report report = two_runs();
  report.runs[0].evaluation = FinalEvaluation{8,
                                              {},
                                              "",
                                              "",
                                              "",
                                              {{"cat", 4, 75, 100}, {"dog", 4, 25, 100}},
                                              {{0, 0, 3}, {0, 1, 1}, {1, 0, 3}, {1, 1, 1}}};
  const std::string text = report_text(report);
  EXPECT_THAT(text, HasSubstr("run.seed  1      2\n"));
  EXPECT_THAT(text, HasSubstr("attempts of first\nattempt  ranks  nodes   steps   time       end\n"));
  EXPECT_THAT(text, HasSubstr("events of first\n"));
  EXPECT_THAT(text, Not(HasSubstr("saved it")));
  EXPECT_THAT(text, HasSubstr("class  images  top-1   top-5\n  dog       4  25.00  100.00\n"));
  EXPECT_THAT(text, HasSubstr("most frequent mistakes of first\nclass  taken for  images  of\n"
                              "  dog        cat       3   4\n  cat        dog       1   4\n"));
}

TEST(ReportForms, PointsAreSharedBetweenManyRuns) {
  EXPECT_EQ(usual_points(1), 500);
  EXPECT_EQ(usual_points(20), 250);
  EXPECT_EQ(usual_points(1000), 100);
}

}  // namespace
}  // namespace vitrail::launcher
