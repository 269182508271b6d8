#include "launcher/submit/submission.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "launcher/submit/job_script.hpp"
#include "launcher/submit/sbatch.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Site site_of_gpus() {
  Site site;
  site.runs = "runs";
  site.partition = "gpu";
  site.account = "vision";
  site.constraint = "a100&ib";
  site.gpus_per_node = "a100:4";
  site.cpus_per_rank = "8";
  site.time_limit = "24:00:00";
  site.mail = "me@example.org";
  return site;
}

TEST(JobScript, AsksSlurmForAllThatTheSiteSays) {
  const JobOfRun job{"runs/first", "runs/first/submitted-ab.cfg", "/opt/share/vitrail/slurm",
                     "/opt/bin/vitrail", 2};
  EXPECT_EQ(job_script(site_of_gpus(), job),
            R"(#!/usr/bin/env bash
# A run across requeues, by `vitrail submit`. Words after the script's name go to `vitrail launch` and win over the
# settings.
#SBATCH --job-name=first
#SBATCH --partition=gpu
#SBATCH --account=vision
#SBATCH --constraint='a100&ib'
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=a100:4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --mail-user=me@example.org
#SBATCH --mail-type=END,FAIL
#SBATCH --output=runs/first/%x-%j.log
#SBATCH --requeue --open-mode=append --signal=B:USR1@180

export VITRAIL=/opt/bin/vitrail
export VITRAIL_CONFIG=runs/first/submitted-ab.cfg
source /opt/share/vitrail/slurm/train.sh
train first "$@"
)");
}

TEST(JobScript, SaysNothingOfWhatTheSiteLeavesOpen) {
  Site site;
  site.ranks_per_node = "3";
  JobOfRun job{"/data/50% runs/it's", "a.cfg", "/s", "/p", 1};
  job.time_limit = "1:00";
  const std::string text = job_script(site, job);
  for (const char* option : {"partition", "account", "constraint", "gpus", "cpus", "mail"})
    EXPECT_THAT(text, Not(HasSubstr(option)));
  EXPECT_THAT(text, HasSubstr("#SBATCH --ntasks-per-node=3\n"));
  EXPECT_THAT(text, HasSubstr("#SBATCH --time=1:00\n"));
  EXPECT_THAT(text, HasSubstr(R"(#SBATCH --output='/data/50%% runs/it'\''s/%x-%j.log')"));
  EXPECT_THAT(text, HasSubstr(R"(train 'it'\''s' "$@")"));
}

class SubmissionTest : public ::testing::Test {
 protected:
  Submission plan(const std::vector<std::string>& words, const SubmitFlags& flags = {}) const {
    return plan_submission(flags, config_, words, site_of_gpus(), "/opt/share/vitrail/slurm",
                           "/opt/bin/vitrail");
  }
  std::string refused(const std::vector<std::string>& words, const SubmitFlags& flags = {}) const {
    try {
      plan(words, flags);
    } catch (const Error& e) {
      return std::to_string(static_cast<int>(e.code())) + " " + e.what();
    }
    return "";
  }
  static std::string edit(const std::string& steps) {
    return config_file(
        "include = more.cfg\n[run]\nlanes = 8\nsteps = " + steps + "\n[data]\ntrain = packs/a\n", "base.cfg");
  }

  std::string config_ = edit("200");
  const std::string more_ = config_file("[optimizer]\nlr = 0.5\n", "more.cfg");
};

TEST_F(SubmissionTest, SettingsAreThoseOfNow) {
  const Submission first = plan({});
  EXPECT_THAT(first.config_text, HasSubstr("[optimizer]\nlr = 0.5\n"));
  const std::string kept = config_file(first.config_text, "kept.cfg");
  const CommandLine then = parse_command_line({"launch", "--config", config_});
  edit("100");
  EXPECT_EQ(resolved_settings(parse_command_line({"launch", "--config", kept})), resolved_settings(then));
  const Submission second = plan({});
  EXPECT_NE(second.config, first.config) << "a job that waits reads what it was submitted with";
  EXPECT_NE(second.script, first.script);
  edit("200");
  EXPECT_EQ(plan({}).config, first.config);
}

TEST_F(SubmissionTest, WordsGoWithTheJob) {
  SubmitFlags flags;
  flags.nodes = 2;
  flags.sbatch_args = "--qos='low one' --hold";
  const Submission job = plan({"--optimizer.lr", "1e-3", "--run.name=second"}, flags);
  EXPECT_EQ(job.run, "runs/second");
  EXPECT_EQ(job.ranks, 8);
  EXPECT_THAT(job.words,
              ElementsAre("sbatch", "--parsable", "--qos=low one", "--hold", job.script.string(),
                          "--optimizer.lr", "1e-3", "--run.name=second", "--run.dir", "runs/second"));
  EXPECT_EQ(job.script.parent_path(), job.run);
  EXPECT_THAT(job.script_text, HasSubstr("VITRAIL_CONFIG=" + job.config.string()));
}

TEST_F(SubmissionTest, TheRunsFolderIsThatOfTheScripts) {
  EXPECT_EQ(plan({}).run, "runs/base") << "called as the config";
  EXPECT_EQ(plan({"--run.name", "b"}).run, "runs/b");
  EXPECT_EQ(plan({"--run.dir", "/data/c/", "--run.name", "b"}).run, "/data/c");
}

TEST_F(SubmissionTest, OneErrorForEachWrongInput) {
  EXPECT_THAT(refused({"--ranks", "3"}), HasSubstr("2 command line: --ranks: submit takes settings"));
  SubmitFlags flags;
  flags.nodes = 3;
  EXPECT_THAT(refused({}, flags), HasSubstr("78 --ranks 12 with run.lanes = 8"));
  edit("five");
  EXPECT_THAT(refused({}), HasSubstr("base.cfg:4: run.steps = five"));
  fs::remove(config_);
  EXPECT_THAT(refused({}), HasSubstr("submit " + config_ + ": there is no such file"));
  config_ = "nothing";
  EXPECT_EQ(
      refused({}),
      "2 command line: submit nothing: there is no such file, and no /opt/share/vitrail/configs/nothing.cfg");
}

TEST(SubmitCommand, RefusesOnTheLine) {
  EXPECT_THAT(refusal({"submit", "a", "--nodes", "0"}),
              HasSubstr("--nodes 0: expected a whole number, 1 to"));
  EXPECT_THAT(refusal({"submit"}), HasSubstr("too few words; usage: vitrail submit CONFIG"));
  EXPECT_THAT(refusal({"submit", "a", "--sbatch-args", "'"}), HasSubstr("every quote closed"));
  EXPECT_EQ(refusal({"submit", "a", "--optimizer.lr", "1", "--nodes", "2"}), "");
}

class SiteTest : public ::testing::Test {
 protected:
  static std::string refused(const std::string& text) {
    try {
      read_site(config_file(text, "site.sh"));
    } catch (const Error& e) {
      const std::string what = e.what();
      return std::to_string(static_cast<int>(e.code())) + what.substr(what.find("site.sh") + 7);
    }
    return "";
  }
};

TEST_F(SiteTest, IsWhatBashMakesOfIt) {
  const Site site = read_site(config_file(
      "echo loaded a module\nruns=/data/$((1 + 1))\ngpus_per_node=h100:8\nmail='a b'\n", "site.sh"));
  EXPECT_EQ(site.runs, "/data/2");
  EXPECT_EQ(site.mail, "a b");
  EXPECT_EQ(site.partition, "");
  EXPECT_EQ(site.ranks_on_node(), 8);
  EXPECT_EQ(read_site(config_file("gpus_per_node=4\nranks_per_node=2\n", "site.sh")).ranks_on_node(), 2);
}

TEST_F(SiteTest, OneErrorForEachWrongLine) {
  EXPECT_EQ(refused("runs=x\n"),
            "2: neither gpus_per_node nor ranks_per_node is set: how many ranks are on a node?");
  EXPECT_EQ(refused("gpus_per_node=some\n"), "2: gpus_per_node = some: expected a number from 1 to 1024");
  EXPECT_EQ(refused("gpus_per_node=0\n"), "2: gpus_per_node = 0: expected a number from 1 to 1024");
  EXPECT_EQ(refused("ranks_per_node=a100:2\n"),
            "2: ranks_per_node = a100:2: expected a number from 1 to 1024");
  EXPECT_EQ(refused("ranks_per_node=2\naccount=$'a\\nb'\n"), "2: account has several lines");
  EXPECT_EQ(refused("exit 3\n"), "2: bash cannot read it (status 3), see above");
  EXPECT_EQ(refused("exit 0\n"), "2: it ends the shell that reads it");
}

TEST_F(SiteTest, TheShippedOneLeavesEverythingToSlurm) {
  try {
    read_site(fs::path(VITRAIL_FIXTURES) / "../../slurm/site.sh");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("neither gpus_per_node nor ranks_per_node is set"));
  }
  ::setenv("VITRAIL_RANKS_PER_NODE", "2", 1);
  const Site site = read_site(fs::path(VITRAIL_FIXTURES) / "../../slurm/site.sh");
  ::unsetenv("VITRAIL_RANKS_PER_NODE");
  EXPECT_EQ(site.ranks_on_node(), 2);
  EXPECT_EQ(site.partition + site.account + site.constraint + site.time_limit + site.mail, "");
}

TEST_F(SiteTest, IsLookedForBesideTheProgram) {
  const fs::path prefix = fs::path(config_file("", "here")).parent_path();
  for (const char* folder : {"share/vitrail/slurm", "clone/slurm"}) {
    fs::create_directories(prefix / folder);
    for (const char* file : {"site.sh", "train.sh"}) std::ofstream(prefix / folder / file) << "\n";
  }
  const fs::path before = fs::current_path();
  fs::current_path(prefix);
  EXPECT_EQ(scripts_folder("", prefix / "bin/vitrail"), prefix / "share/vitrail/slurm");
  EXPECT_EQ(scripts_folder("", prefix / "clone/build/release/vitrail"), prefix / "clone/slurm");
  EXPECT_EQ(scripts_folder("clone/slurm", "/bin/vitrail"), prefix / "clone/slurm");
  EXPECT_THROW(scripts_folder("", "/nowhere/bin/vitrail"), Error);
  EXPECT_THROW(scripts_folder("elsewhere", prefix / "bin/vitrail"), Error);
  fs::current_path(before);
}

TEST(Sbatch, ALogsNameIsNoPattern) { EXPECT_EQ(without_patterns("50%_j/%x"), "50%%_j/%%x"); }

}  // namespace
}  // namespace vitrail::launcher
