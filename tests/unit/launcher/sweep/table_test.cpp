#include "launcher/sweep/table.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

// One task of each state; the pack's name has what CSV must quote.
class SweepTableTest : public ::testing::Test {
 protected:
  SweepTableTest() {
    const std::string grid =
        config_file("[zip]\noptimizer.lr = 0.1, 0.2, 0.3\ndata.val = a\"b, c, d\n", "lr.ini");
    sweep_ = read_sweep(parse_command_line(
        {"sweep", "plan", grid, "--output", "here", "--data.train", "a", "--run.steps", "20"}));
    results_[0].state = TaskState::running;
    results_[0].step = 5;
    results_[0].loss = 2;
    results_[0].job = "12_0";
    results_[0].node = "n4";
    results_[0].images_per_s = 1234.5;
    results_[0].seconds_left = 90;
    results_[1].state = TaskState::failed;
    results_[1].status = 78;
    results_[1].log = "logs/a, b.log";
    results_[1].job = "12_1";
  }

  Sweep sweep_;
  std::vector<TaskResult> results_ = std::vector<TaskResult>(3);
};

TEST_F(SweepTableTest, APlaceIsShownWhileATaskHasOne) {
  EXPECT_EQ(
      results_text(sweep_, results_, SweepMetric::loss),
      "task  optimizer.lr  data.val    state           done    loss  eval loss  top-1  top-5   job  node  "
      "images/s        left\n"
      "   0           0.1       a\"b  running  5 of 20 steps  2.0000          -      -      -  12_0    n4  "
      "    1234  1 min 30 s\n"
      "   1           0.2         c   failed  0 of 20 steps       -          -      -      -     -     -  "
      "       -           -\n"
      "   2           0.3         d  waiting  0 of 20 steps       -          -      -      -     -     -  "
      "       -           -\n"
      "task 1 failed with status 78 (job 12_1): see logs/a, b.log\n");
  results_[0].state = TaskState::finished;
  EXPECT_THAT(results_text(sweep_, results_, SweepMetric::loss), testing::Not(testing::HasSubstr("node")));
}

TEST_F(SweepTableTest, CsvIsQuotedAsInRfc4180) {
  const std::string name = sweep_.runs[0].task.name;
  EXPECT_EQ(
      results_csv(sweep_, results_, SweepMetric::loss),
      "task,name,folder,optimizer.lr,data.val,state,step,epoch,loss,diverged,eval_loss,top1,top5,"
      "status,log,attempts,job,node,images_per_s,seconds_left\n"
      "0," +
          name + ",here/" + name +
          ",0.1,\"a\"\"b\",running,5,0.0,2.0,false,,,,,,0,12_0,n4,1234.5,90.0\n"
          "1,lr-0.2_val-c,here/lr-0.2_val-c,0.2,c,failed,0,0.0,,false,,,,78,\"logs/a, b.log\",0,12_1,,,\n"
          "2,lr-0.3_val-d,here/lr-0.3_val-d,0.3,d,waiting,0,0.0,,false,,,,,,0,,,,\n");
  EXPECT_THAT(plan_csv(sweep_),
              testing::StartsWith("task,name,folder,optimizer.lr,data.val\n0," + name + ","));
}

TEST_F(SweepTableTest, TheJsonHasTheColumnsOfTheCsv) {
  const auto row = nlohmann::ordered_json::parse(results_json(sweep_, results_, SweepMetric::loss))[0];
  EXPECT_EQ(row["job"], "12_0");
  EXPECT_EQ(row["node"], "n4");
  EXPECT_EQ(row["images_per_s"], 1234.5);
  EXPECT_EQ(row["seconds_left"], 90);
  std::string names;
  for (const auto& [key, value] : row.items())
    names += (key == "settings" ? "optimizer.lr,data.val" : key) + ",";
  names.back() = '\n';
  EXPECT_THAT(results_csv(sweep_, results_, SweepMetric::loss), testing::StartsWith(names));
}

TEST_F(SweepTableTest, TheSummaryNamesTheStatesThatThereAre) {
  EXPECT_EQ(summary(results_), "3 tasks: 1 running, 1 waiting, 1 failed");
}

}  // namespace
}  // namespace vitrail::launcher
