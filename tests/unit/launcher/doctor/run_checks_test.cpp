#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "launcher/doctor/checks/run.hpp"
#include "launcher/doctor/listing.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

trainer::Config eight_lanes() {
  trainer::Config config;
  config.run.steps = 5;
  config.run.lanes = 8;
  config.data.global_batch_size = 64;
  return config;
}

TEST(RunChecks, Settings) {
  EXPECT_EQ(check_settings(eight_lanes(), 8).verdict, Verdict::ok);
  EXPECT_EQ(check_settings(eight_lanes(), std::nullopt).verdict, Verdict::ok);
  EXPECT_EQ(check_settings(eight_lanes(), 3).verdict, Verdict::warning);
  EXPECT_EQ(check_settings(eight_lanes(), 9).verdict, Verdict::failed);
  trainer::Config config = eight_lanes();
  config.data.global_batch_size = 60;
  EXPECT_EQ(check_settings(config, 8).verdict, Verdict::failed);
  EXPECT_THAT(check_settings(config, 8).figure, HasSubstr("set data.global_batch_size = 56 or 64"));
}

TEST(RunChecks, StateOfTheFolder) {
  RunFacts facts;
  facts.folder = "runs/a";
  EXPECT_EQ(check_run(facts).front().figure, "runs/a: begins");
  facts.progress = "step 5 of 10";
  EXPECT_EQ(check_run(facts).front().figure, "runs/a: goes on after step 5 of 10");
  EXPECT_EQ(check_run(facts).front().verdict, Verdict::ok);
  facts.finished = true;
  EXPECT_EQ(check_run(facts).front().verdict, Verdict::warning);
  facts.owner = "job 7 (restart 0) on n0";
  EXPECT_THAT(check_run(facts).front().figure, HasSubstr("belongs to job 7"));
  facts.refused = "runs/a: there is a file of this name";
  EXPECT_EQ(check_run(facts).front().verdict, Verdict::failed);
}

TEST(RunChecks, WeightsThatARunBeginsWith) {
  RunFacts facts;
  facts.weights = {{"model.weights", "a", true, ""}, {"distillation.teacher_weights", "b", false, ""}};
  EXPECT_EQ(check_run(facts)[1].verdict, Verdict::ok);
  EXPECT_EQ(check_run(facts)[2].verdict, Verdict::failed);
  facts.weights = {{"model.weights", "a", true, "a: unfinished: step 1 of 2"}};
  EXPECT_EQ(check_run(facts)[1].verdict, Verdict::warning);
}

Examined examined() {
  return {"vitrail doctor",
          2,
          {"n0", "n1"},
          {{"world", "tasks", Verdict::ok, "2 tasks"},
           {"machine", "clocks", Verdict::unknown, "one clock"},
           {"machine", "/dev/shm", Verdict::warning, "small", "enlarge " + std::string(120, 'x') + " it"},
           {"machine", "locale", Verdict::warning, "unknown", "export LC_ALL"}}};
}

TEST(Listing, OneTable) {
  EXPECT_EQ(examined_text(examined()),
            "vitrail doctor: 2 ranks on n0, n1\n"
            "\n"
            "world\n"
            "  tasks     ok              2 tasks\n"
            "\n"
            "machine\n"
            "  clocks    not known here  one clock\n"
            "  /dev/shm  warning         small\n"
            "                            -> enlarge\n"
            "                            " +
                std::string(120, 'x') +
                "\n"
                "                            it\n"
                "  locale    warning         unknown\n"
                "                            -> export LC_ALL\n"
                "\n"
                "1 ok, 2 warnings, 1 not known here\n");
}

TEST(Listing, TheSameAsJson) {
  const auto json = nlohmann::json::parse(examined_json(examined()));
  EXPECT_EQ(json.at("verdict"), "warning");
  EXPECT_THAT(json.at("nodes"), ElementsAre("n0", "n1"));
  EXPECT_EQ(json.at("checks").size(), 4);
  EXPECT_EQ(json.at("checks")[1].at("verdict"), "not known here");
}

TEST(Findings, Words) {
  EXPECT_EQ(worst_of({{"", "", Verdict::unknown}, {"", "", Verdict::ok}}), Verdict::ok);
  EXPECT_EQ(worst_of({{"", "", Verdict::failed}, {"", "", Verdict::warning}}), Verdict::failed);
  EXPECT_EQ(some_of({"a", "b", "a"}), "a, b");
  EXPECT_EQ(some_of({"a", "b", "c", "d", "e"}), "a, b, c, d, e");
  EXPECT_EQ(some_of({"a", "b", "c", "d", "e", "f"}), "a, b, c, d and 2 more");
  EXPECT_EQ(bytes_text(999), "999 bytes");
  EXPECT_EQ(bytes_text(1.5e12), "1.5 TB");
  EXPECT_EQ(bytes_text(250e6), "250 MB");
  EXPECT_EQ(seconds_text(3e-6), "3 us");
  EXPECT_EQ(seconds_text(90), "90 s");
  EXPECT_EQ(seconds_text(86400), "24 h");
}

TEST(DoctorCommand, NeedsNoSettings) {
  EXPECT_NO_THROW(parse_command_line({"doctor"}));
  EXPECT_NO_THROW(parse_command_line({"doctor", "--run.dir", "x"}));
  EXPECT_THROW(parse_command_line({"doctor", "--run.stepz", "3"}), Error);
  EXPECT_THROW(parse_command_line({"train"}), Error);
}

}  // namespace
}  // namespace vitrail::launcher
