#include "launcher/sweep/frozen.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "launcher/sweep/runs.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

class SweepFrozenTest : public ::testing::Test {
 protected:
  Sweep sweep(const std::vector<std::string>& words, const std::string& rates = "0.1, 0.2") const {
    const std::string grid = config_file("[grid]\noptimizer.lr = " + rates + "\n", "lr.ini");
    return read_sweep(
        parse_command_line(std::vector<std::string>{"sweep", "run", grid, "--output", folder_} + words));
  }
  Sweep begin(const std::vector<std::string>& words) const {
    Sweep begun = sweep(words);
    freeze(begun);
    return begun;
  }
  // What a task's `launch` would be given, read as that reads it now.
  static SettingsMap launched(const SweepRun& run) {
    return resolved_settings(parse_command_line(run.words));
  }
  static std::string edit(const std::string& text) { return config_file(text, "base.cfg"); }

  const std::string base_ = edit("include = more.cfg\n[run]\nsteps = 200\n[data]\ntrain = packs/a\n");
  const std::string more_ = config_file("[optimizer]\nweight_decay = 0.05\n", "more.cfg");
  const std::string folder_ = (fs::path(base_).parent_path() / "tasks").string();
};

TEST_F(SweepFrozenTest, TasksUseTheSettingsOfWhenItBegan) {
  const Sweep first = begin({"--config", base_, "--run.seed", "7", "-n", "1"});
  const SettingsMap settings = first.runs[1].settings;
  EXPECT_EQ(launched(first.runs[1]), settings);
  EXPECT_THAT(first.runs[1].words, testing::IsSupersetOf({"-n", "1"}));
  edit("include = more.cfg\n[run]\nsteps = 150\n[data]\ntrain = packs/a\n");
  config_file("[optimizer]\nweight_decay = 0.3\n", "more.cfg");
  EXPECT_EQ(launched(first.runs[1]), settings) << "a task that begins later";

  Sweep later = sweep({"--config", base_, "-n", "1"}, "0.1, 0.2, 0.4");
  EXPECT_EQ(later.runs[1].settings, settings);
  EXPECT_EQ(later.runs[2].settings.at("run.steps"), "200") << "a value that was added";
  EXPECT_EQ(later.notice, base_ +
                              " now: optimizer.weight_decay = 0.3 (frozen: 0.05), run.steps = 150 "
                              "(frozen: 200); the tasks use " +
                              folder_ +
                              "/config.cfg; --change takes the files "
                              "as they are");
  freeze(later);
  EXPECT_EQ(launched(later.runs[2]).at("optimizer.weight_decay"), "0.05");
  EXPECT_EQ(sweep({}).runs[1].settings, settings) << "nothing needs to be named again";
  EXPECT_EQ(sweep({}).notice, "");
}

TEST_F(SweepFrozenTest, FilesThatSayTheSameInOtherWordsAreNoChange) {
  begin({"--config", base_});
  edit("[run]\nsteps = 200\nseed = 0\n[optimizer]\nweight_decay = 5e-2\n[data]\ntrain = packs/a\n");
  EXPECT_EQ(sweep({"--config", base_}).notice, "");
}

TEST_F(SweepFrozenTest, FilesThatAreGoneOrBrokenSinceConcernNobody) {
  const Sweep first = begin({"--config", base_});
  edit("[run]\nstesp = 200\n[run\n");
  const Sweep broken = sweep({"--config", base_});
  EXPECT_EQ(broken.runs[0].settings, first.runs[0].settings);
  EXPECT_THAT(broken.notice, testing::EndsWith("the tasks use " + folder_ + "/config.cfg"));
  fs::remove(base_);
  EXPECT_THAT(sweep({"--config", base_}).notice, testing::HasSubstr("there is no such file"));
}

TEST_F(SweepFrozenTest, ChangeTakesTheFilesAndLeavesWhatIsQueuedAlone) {
  const Sweep first = begin({"--config", base_, "--run.seed", "7"});
  edit("[run]\nsteps = 150\n[data]\ntrain = packs/a\n");
  const Sweep second = begin({"--config", base_, "--change"});
  EXPECT_EQ(second.runs[0].settings.at("run.steps"), "150");
  EXPECT_EQ(second.notice, "");
  EXPECT_EQ(launched(second.runs[0]), second.runs[0].settings);
  EXPECT_EQ(launched(first.runs[0]), first.runs[0].settings) << "its words name another file";
  EXPECT_EQ(sweep({}).runs[0].settings.at("run.steps"), "150");
}

TEST_F(SweepFrozenTest, FlagsWinAndAreKept) {
  begin({"--config", base_});
  EXPECT_EQ(begin({"--run.epochs", "3"}).runs[0].settings.at("run.epochs"), "3");
  const Sweep later = sweep({"--config", base_});
  EXPECT_EQ(later.runs[0].settings.at("run.epochs"), "3");
  EXPECT_EQ(later.runs[0].settings.at("run.steps"), "0");
  EXPECT_EQ(later.notice, "") << "the file was not edited";
}

// As slurm/sweep.sh is given them.
TEST_F(SweepFrozenTest, WordsThatNameAFrozenFileMeanThatFile) {
  const Sweep first = begin({"--config", base_});
  edit("[run]\nsteps = 150\n[data]\ntrain = packs/a\n");
  begin({"--config", base_, "--change"});
  Sweep task = sweep(first.launch_words);
  EXPECT_EQ(task.runs[0].settings, first.runs[0].settings);
  freeze(task);
  EXPECT_EQ(sweep({}).runs[0].settings.at("run.steps"), "150") << "a queued task keeps nothing";
}

}  // namespace
}  // namespace vitrail::launcher
