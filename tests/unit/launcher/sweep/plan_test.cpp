#include "launcher/sweep/plan.hpp"

#include <cmath>
#include <set>

#include <gmock/gmock.h>

#include "launcher/options/options.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

SweepPlan plan_of(const std::string& text) { return plan_sweep("g.ini", text, make_options()); }

std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names;
  for (const SweepTask& task : plan_of(text).tasks) names.push_back(task.name);
  return names;
}

std::vector<double> draws_of(const std::string& law, int count, int seed = 0) {
  std::vector<double> values;
  for (const SweepTask& task :
       plan_of(fmt::format("[random]\ncount = {}\nseed = {}\noptimizer.lr = {}\n", count, seed, law)).tasks) {
    values.push_back(std::stod(task.settings.front().second));
  }
  return values;
}

std::string refusal_of(const std::string& text) {
  try {
    plan_of(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    return e.what();
  }
  return "";
}

TEST(SweepPlan, GridIsEveryCombinationWithTheLastKeyFastest) {
  const SweepPlan plan = plan_of(
      "# a comment\n[grid]\noptimizer.lr = 1e-3, 3e-3 # two\noptimizer.weight_decay=0.02 ,0.05,  0.1\n");
  ASSERT_EQ(plan.tasks.size(), 6U);
  EXPECT_EQ(plan.keys, (std::vector<std::string>{"optimizer.lr", "optimizer.weight_decay"}));
  EXPECT_EQ(plan.tasks[0].settings,
            (Settings{{"optimizer.lr", "0.001"}, {"optimizer.weight_decay", "0.02"}}));
  EXPECT_EQ(plan.tasks[1].name, "lr-0.001_weight_decay-0.05");
  EXPECT_EQ(plan.tasks[3].name, "lr-0.003_weight_decay-0.02");
}

TEST(SweepPlan, ZipTakesOneOfEach) {
  EXPECT_EQ(names_of("[zip]\nmodel.width = 192, 384\nmodel.heads = 3, 6\n"),
            (std::vector<std::string>{"width-192_heads-3", "width-384_heads-6"}));
}

TEST(SweepPlan, AllThreeMultiply) {
  const SweepPlan plan = plan_of(
      "[random]\ncount = 3\noptimizer.lr = log(1e-4, 1e-2)\n[zip]\nmodel.width = 192, 384\nmodel.heads = 3, "
      "6\n"
      "[grid]\nrun.seed = 1, 2\n");
  EXPECT_EQ(plan.tasks.size(), 2U * 2 * 3);
  EXPECT_EQ(plan.keys, (std::vector<std::string>{"run.seed", "model.width", "model.heads", "optimizer.lr"}));
  std::set<std::string> names;
  for (const SweepTask& task : plan.tasks) names.insert(task.name);
  EXPECT_EQ(names.size(), plan.tasks.size());
}

TEST(SweepPlan, NamesAreOfTheSettingsNotOfTheFile) {
  const auto few = names_of("[grid]\noptimizer.lr = 1e-3, 3e-3\n");
  const auto more = names_of("[grid]\noptimizer.lr = 1e-4, 0.003, .001\n");
  for (const std::string& name : few) EXPECT_THAT(more, testing::Contains(name));
}

TEST(SweepPlan, NamesAreFoldersWhateverTheSettings) {
  const std::string packs = "[grid]\ndata.train = packs/a, packs-a\n";
  const auto names = names_of(packs);
  EXPECT_NE(names[0], names[1]);
  EXPECT_EQ(names[1], "train-packs-a");
  EXPECT_THAT(names[0], testing::MatchesRegex("train-packs-a-[0-9a-f]+"));
  EXPECT_EQ(names_of("[grid]\ncheckpoint.every = 1ep\nevaluate.every = 2ep\n").front(),
            "checkpoint.every-1ep_evaluate.every-2ep");
  const auto longest = names_of("[grid]\ndata.train = " + std::string(500, 'x') + "\n").front();
  EXPECT_EQ(longest.size(), 120U);
}

TEST(SweepPlan, DrawsStayWhenCountOrOtherKeysChange) {
  const auto few = draws_of("log(1e-4, 1e-2)", 5), many = draws_of("log(1e-4, 1e-2)", 50);
  EXPECT_EQ(few, std::vector(many.begin(), many.begin() + 5));
  EXPECT_NE(few, draws_of("log(1e-4, 1e-2)", 5, 1));
  const SweepPlan two =
      plan_of("[random]\ncount = 5\nmodel.drop_path = uniform(0, 0.5)\noptimizer.lr = log(1e-4, 1e-2)\n");
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(std::stod(two.tasks[i].settings[1].second), few[i]);
    EXPECT_NE(std::stod(two.tasks[i].settings[0].second), few[i]);
  }
}

// The first draws of seed 0, so that no later version of the program begins other runs in old folders.
TEST(SweepPlan, DrawsAreTheSameOnEveryMachine) {
  EXPECT_EQ(names_of("[random]\ncount = 3\noptimizer.lr = log(1e-4, 1e-2)\n"),
            (std::vector<std::string>{"lr-0.002224", "lr-0.006815", "lr-0.0002732"}));
}

TEST(SweepPlan, LawsAreWhatTheySay) {
  double decades = 0, mean = 0;
  constexpr int kDraws = 2000;
  for (const double x : draws_of("log(1e-4, 1e-2)", kDraws)) {
    EXPECT_TRUE(x >= 1e-4 && x <= 1e-2) << x;
    decades += std::log10(x) / kDraws;
  }
  EXPECT_NEAR(decades, -3, 4 * 2 / std::sqrt(12.0 * kDraws));
  for (const double x : draws_of("uniform(2, 4)", 900)) {
    EXPECT_TRUE(x >= 2 && x <= 4) << x;
    mean += x / 900;
  }
  EXPECT_NEAR(mean, 3, 4 * 2 / std::sqrt(12.0 * 900));
  const auto whole = draws_of("integers(1, 6)", 6);
  EXPECT_EQ(std::set(whole.begin(), whole.end()), (std::set<double>{1, 2, 3, 4, 5, 6}));
  const auto chosen = draws_of("0.1, 0.2, 0.3", 3);
  EXPECT_EQ(std::set(chosen.begin(), chosen.end()), (std::set<double>{0.1, 0.2, 0.3}));
}

TEST(SweepPlanErrors, NameTheLineTheKeyAndTheCause) {
  const std::string lr = "[grid]\noptimizer.lr = 1e-3, ";
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"", "g.ini: nothing varies: expected [grid], [zip] or [random] with a setting"},
           {"[grid]\noptimizer.rl = 1\n",
            "g.ini:2: optimizer.rl: no setting of a run; nearest known key: "
            "optimizer.lr"},
           {"[gird]\noptimizer.lr = 1\n",
            "g.ini:2: gird.optimizer.lr: expected it below [grid], [zip] or [random]"},
           {"[grid]\nsource = a\n", "g.ini:2: source: no setting of a run"},
           {lr + "x\n", "g.ini:2: optimizer.lr = x: expected a number, > 0"},
           {lr + "-1\n", "g.ini:2: optimizer.lr = -1: expected a number, > 0"},
           {lr + "\n", "g.ini:2: a value is missing: expected a, b, c"},
           {lr + ",2\n", "g.ini:2: a value is missing: expected a, b, c"},
           {lr + "0.001\n", "g.ini: tasks 0 and 1 have the same settings: lr-0.001"},
           {lr + "1\n[zip]\noptimizer.lr = 3\n", "g.ini:4: optimizer.lr: varies already at g.ini:2"},
           {"[grid]\nrun.dir = a, b\n",
            "g.ini:2: run.dir: every task has a folder of its own, named by its settings"},
           {"[zip]\nmodel.width = 1, 2\nmodel.heads = 1, 2, 3\n",
            "g.ini:3: model.heads has 3 values, model.width (g.ini:2) has 2: [zip] takes one of each at a "
            "time"},
           {"[random]\noptimizer.lr = uniform(1, 2)\n",
            "g.ini: [random]: count is missing: how many tasks to draw"},
           {"[random]\ncount = 0\noptimizer.lr = uniform(1, 2)\n",
            "g.ini:2: random.count = 0: expected a whole number, 1 to 100000"},
           {"[random]\ncount = 3\n[grid]\nrun.seed = 1\n",
            "g.ini: [random] has nothing to draw: expected a setting"},
           {"[random]\ncount = 3\nrun.seed = 1, 2\n",
            "g.ini:3: [random] has no 3 different draws, it seems to have 2"},
           {"[random]\ncount = 3\noptimizer.lr = lgo(1, 2)\n",
            "g.ini:3: lgo(1, 2): expected log(a, b), uniform(a, b), integers(a, b) or a list"},
           {"[random]\ncount = 3\noptimizer.lr = log(0, 2)\n",
            "g.ini:3: log(0, 2): expected numbers above 0"},
           {"[random]\ncount = 3\noptimizer.lr = log(2, 1)\n",
            "g.ini:3: log(2, 1): expected a smaller number first"},
           {"[random]\ncount = 3\nrun.seed = integers(0, 1.5)\n",
            "g.ini:3: integers(0, 1.5): expected whole numbers"},
           {"[random]\ncount = 3\nrun.seed = uniform(1, 2)\n", "g.ini:3: run.seed = "},
           {"[grid]\noptimizer.lr 1e-3\n",
            "g.ini:2: optimizer.lr 1e-3: expected [section], key = value or # comment"},
       }) {
    EXPECT_THAT(refusal_of(text), testing::StartsWith(message)) << text;
  }
}

TEST(SweepPlanErrors, HowRanksAreStartedDoesNotVary) {
  EXPECT_EQ(
      refusal_of("[grid]\nlaunch.via = srun, mpirun\n"),
      "g.ini:2: launch.via: how ranks are started changes no result; give --launch.via beside the file");
}

TEST(SweepPlan, RangesOfAnArray) {
  EXPECT_EQ(array_ranges({}), "");
  EXPECT_EQ(array_ranges({4}), "4");
  EXPECT_EQ(array_ranges({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(SweepPlanErrors, TooManyTasksAreNotMeant) {
  std::string seeds = "0";
  for (int i = 1; i < 400; ++i) seeds += fmt::format(", {}", i);
  const std::string text = "[grid]\nrun.seed = " + seeds + "\nmodel.classes = " + seeds.substr(3) + "\n";
  EXPECT_EQ(refusal_of(text), "g.ini:3: more than 100000 tasks");
}

}  // namespace
}  // namespace vitrail::launcher
