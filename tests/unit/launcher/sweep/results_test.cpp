#include "launcher/sweep/results.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "launcher/sweep/space.hpp"
#include "launcher/sweep/table.hpp"
#include "tests/unit/launcher/parsing.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"
#include "trainer/checkpoint/checkpoint_size.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::string step_line(int step, double loss) {
  return fmt::format("{{\"step\":{},\"epoch\":{},\"loss\":{}}}\n", step, step / 10.0, loss);
}
std::string evaluation_line(int step, double top1) {
  return fmt::format("{{\"step\":{},\"eval\":{{\"images\":5,\"top1\":{},\"top5\":90.0,\"loss\":1.5}}}}\n",
                     step, top1);
}

class SweepResultsTest : public ::testing::Test {
 protected:
  // Three learning rates, 2 epochs of 10 steps.
  Sweep sweep(const std::vector<std::string>& more = {}) const {
    const std::string grid = config_file("[grid]\noptimizer.lr = 0.1, 0.2, 0.3\n", "lr.ini");
    return read_sweep(parse_command_line(std::vector<std::string>{"sweep", "plan", grid, "--output",
                                                                  folder_.string(), "--data.train", "a",
                                                                  "--run.epochs", "2", "--data.val", "b"} +
                                         more));
  }

  void save(int task, int step, bool evaluated, const std::string& weight_decay = "0.02") const {
    trainer::CheckpointManifest manifest;
    manifest.state.step = step;
    manifest.state.evaluated_step = evaluated ? step : 0;
    manifest.settings = {
        {"optimizer.weight_decay", weight_decay}, {"run.dir", "elsewhere"}, {"run.gone", "1"}};
    write(of_task(task) / "checkpoints" / fmt::format("step-{:08}", step) / "manifest.json",
          trainer::to_json(manifest));
  }

  fs::path of_task(int task) const { return folder_ / fmt::format("lr-0.{}", task + 1); }

  fs::path folder_ = fs::path(config_file("", "x")).parent_path() / "tasks";
};

TEST_F(SweepResultsTest, StatesAreReadFromTheFolders) {
  const Sweep s = sweep();
  EXPECT_EQ(read_result(s.runs[0]).state, TaskState::waiting);
  std::string lines;
  for (int step = 1; step <= 20; ++step) lines += step_line(step, step);
  write(of_task(0) / "metrics.jsonl", lines.substr(0, lines.size() - 3));  // being written
  const TaskResult begun = read_result(s.runs[0]);
  EXPECT_EQ(begun.state, TaskState::preempted);
  EXPECT_EQ(begun.step, 19);
  EXPECT_DOUBLE_EQ(*begun.loss, 10);
  EXPECT_FALSE(begun.top1.has_value());

  write(of_task(0) / "metrics.jsonl", lines + evaluation_line(10, 1) + evaluation_line(20, 70.5));
  EXPECT_EQ(read_result(s.runs[0]).state, TaskState::preempted) << "nothing is saved";
  save(0, 10, true);
  EXPECT_EQ(read_result(s.runs[0]).state, TaskState::preempted) << "the last step is not saved";
  save(0, 20, false);
  EXPECT_EQ(read_result(s.runs[0]).state, TaskState::preempted) << "the last step is not evaluated";
  save(0, 20, true);
  const TaskResult finished = read_result(s.runs[0]);
  EXPECT_EQ(finished.state, TaskState::finished);
  EXPECT_EQ(finished.top1, 70.5);
  EXPECT_EQ(finished.eval_loss, 1.5);
}

TEST_F(SweepResultsTest, StepsWithoutNumberOrEpochAreRefused) {
  for (const char* line : {R"({"epoch":1,"loss":2.0})", R"({"step":1,"loss":2.0})"}) {
    write(of_task(0) / "metrics.jsonl", std::string(line) + "\n");
    EXPECT_THROW(read_result(sweep().runs[0]), Error) << line;
  }
}

// A config that was edited for the next experiment said "200 of 150 steps".
TEST_F(SweepResultsTest, TheLengthIsThatOfTheTasksOwnSettings) {
  write(of_task(0) / "metrics.jsonl", step_line(20, 1) + evaluation_line(20, 50));
  write(of_task(0) / "config.cfg", "[run]\nepochs = 2\nsteps = 0\n[data]\nval = b\n");
  save(0, 20, true);
  for (const std::string epochs : {"1", "2", "3"}) {
    const Sweep s = sweep({"--run.epochs", epochs});
    const TaskResult result = read_result(s.runs[0]);
    EXPECT_EQ(result.state, TaskState::finished) << epochs;
    EXPECT_THAT(results_text(s, {result, {}, {}}, SweepMetric::loss), testing::HasSubstr("2 of 2 epochs"));
  }
  write(of_task(0) / "config.cfg", "[run]\nepochs = 0\nsteps = 30\n");
  EXPECT_EQ(read_result(sweep().runs[0]).state, TaskState::preempted) << "it was begun anew, longer";
}

class SweepStatesTest : public SweepResultsTest {
 protected:
  void begin(int task) const {
    std::string lines;
    for (int step = 1; step <= 5; ++step)
      lines += fmt::format("{{\"step\":{},\"epoch\":{},\"loss\":2.0,\"images_per_s\":{},\"seconds\":0.5}}\n",
                           step, step / 10.0, step < 5 ? 90 : 140);
    write(of_task(task) / "metrics.jsonl", lines);
  }
  std::unique_ptr<trainer::RunOwner> own(int task, const trainer::Attempt& attempt) const {
    return std::make_unique<trainer::RunOwner>(
        of_task(task) / ".owners", attempt,
        trainer::OwnerWait{[](const std::string&) {}, [] { return false; }});
  }
  // As another machine would have left it: nothing here tells whether its process lives.
  void own_from_elsewhere(int task, const std::string& job) const {
    write(of_task(task) / ".owners/00000003",
          R"({"host":"elsewhere","process":1,"job":")" + job +
              R"(","restart":0,"space":"another boot","start":"1","released":false})");
  }
};

TEST_F(SweepStatesTest, ATaskRunsWhileItsOwnerLives) {
  const Sweep s = sweep();
  begin(0);
  auto owner = own(0, {.host = "here", .process = ::getpid()});
  keep_status(s.runs[0], 78);  // of a second attempt, which the owner kept out
  const TaskResult running = read_result(s.runs[0]);
  EXPECT_EQ(running.state, TaskState::running);
  EXPECT_EQ(running.node, "here");
  EXPECT_EQ(running.attempts, 1);
  EXPECT_DOUBLE_EQ(*running.images_per_s, 100);
  EXPECT_DOUBLE_EQ(*running.seconds_left, 15 * 0.5) << "2 epochs of 10 steps, after 5 of them";
  EXPECT_THAT(owned_elsewhere(s.runs[0], "77"), testing::EndsWith("on here"));
  owner.reset();
  EXPECT_EQ(read_result(s.runs[0]).state, TaskState::failed);
  EXPECT_EQ(owned_elsewhere(s.runs[0], ""), "");
  keep_status(s.runs[0], 0);
  const TaskResult left = read_result(s.runs[0]);
  EXPECT_EQ(left.state, TaskState::preempted);
  EXPECT_FALSE(left.images_per_s || left.seconds_left);
}

TEST_F(SweepStatesTest, OfAnotherMachineSlurmKnowsOrTheSignsOfLife) {
  const Sweep s = sweep();
  own_from_elsewhere(0, "77");
  const QueueEntry running{"70_0", "n4", true, false}, waiting{"70_0", "", false, true};
  const auto state = [&](const Outside& outside) { return read_result(s.runs[0], outside).state; };
  EXPECT_EQ(state({true, running, running}), TaskState::running);
  EXPECT_EQ(read_result(s.runs[0], {true, running, running}).job, "70_0");
  EXPECT_EQ(read_result(s.runs[0], {true, running, running}).node, "n4");
  EXPECT_EQ(state({true, {}, {}}), TaskState::preempted) << "its job is gone";
  const QueueEntry ending{"70_0", "n4", false, false};
  EXPECT_EQ(state({true, ending, ending}), TaskState::preempted);
  EXPECT_EQ(read_result(s.runs[0], {true, ending, ending}).job, "70_0");
  EXPECT_EQ(state({true, waiting, waiting}), TaskState::preempted) << "it waits to go on";
  EXPECT_EQ(state({false, {}, {}}), TaskState::running) << "it gave a sign of life just now";
  fs::last_write_time(of_task(0) / ".owners/00000003",
                      fs::file_time_type::clock::now() - std::chrono::minutes(5));
  EXPECT_EQ(state({false, {}, {}}), TaskState::preempted);
  EXPECT_EQ(state({true, running, running}), TaskState::running);
  EXPECT_EQ(read_result(s.runs[0]).attempts, 3);
}

TEST_F(SweepStatesTest, WhatWaitsInTheQueueHasNotFailed) {
  const Sweep s = sweep();
  const QueueEntry running{"70_1", "n4", true, false}, waiting{"70_1", "", false, true};
  EXPECT_EQ(read_result(s.runs[1], {true, {}, waiting}).state, TaskState::waiting);
  EXPECT_TRUE(read_result(s.runs[1], {true, {}, waiting}).queued);
  EXPECT_EQ(read_result(s.runs[1], {true, {}, running}).state, TaskState::running) << "just started";
  begin(1);
  keep_status(s.runs[1], 74);
  EXPECT_EQ(read_result(s.runs[1], {true, {}, waiting}).state, TaskState::preempted) << "tried again";
  EXPECT_EQ(read_result(s.runs[1], {true, {}, running}).state, TaskState::failed) << "its script is ending";
}

TEST_F(SweepResultsTest, TheLossIsThatOfTheLastTwentySteps) {
  std::string lines;
  for (int step = 1; step <= 50; ++step) lines += step_line(step, step <= 30 ? 100 : 2);
  write(of_task(0) / "metrics.jsonl", lines);
  EXPECT_DOUBLE_EQ(*read_result(sweep().runs[0]).loss, 2);
}

TEST_F(SweepResultsTest, ALossThatRanAwayIsNoStep) {
  const std::string back = "{\"step\":1,\"gone_back\":{\"from\":4,\"left_out_batches\":3}}\n";
  write(of_task(0) / "metrics.jsonl", step_line(1, 4) + back + step_line(2, 2));
  EXPECT_DOUBLE_EQ(*read_result(sweep().runs[0]).loss, 3);
}

// As training itself does.
TEST_F(SweepResultsTest, ADamagedCheckpointIsPassedOver) {
  write(of_task(0) / "metrics.jsonl", step_line(20, 1) + evaluation_line(20, 50));
  save(0, 20, true);
  write(of_task(0) / "checkpoints/step-00000030/manifest.json", "{}");
  EXPECT_EQ(read_result(sweep().runs[0]).state, TaskState::finished);
  EXPECT_THROW(check_unchanged(sweep({"--optimizer.weight_decay", "0.05"}).runs[0]), Error);
  check_unchanged(sweep().runs[0]);
}

TEST_F(SweepResultsTest, BestFirstAndTheUnknownLast) {
  std::vector<TaskResult> results(4);
  results[1].top1 = 50;
  results[1].loss = 2;
  results[2].top1 = 60;
  results[2].loss = 1;
  results[3].top1 = 50;
  EXPECT_THAT(ranking(results, SweepMetric::top1), testing::ElementsAre(2, 1, 3, 0));
  EXPECT_THAT(ranking(results, SweepMetric::loss), testing::ElementsAre(2, 1, 0, 3));
}

TEST_F(SweepResultsTest, AFailedTaskIsNamedWithItsStatusAndLog) {
  const Sweep s = sweep();
  fs::create_directories(of_task(1));
  keep_status(s.runs[1], 78);
  EXPECT_EQ(read_result(s.runs[1]).state, TaskState::failed) << "before its first step";
  EXPECT_TRUE(read_result(s.runs[1]).log.empty());
  write(of_task(1) / "log.txt", "");
  EXPECT_EQ(read_result(s.runs[1]).log, of_task(1) / "log.txt");
  write(of_task(1) / "launch.txt", "");
  const std::vector<TaskResult> results = {read_result(s.runs[0]), read_result(s.runs[1]), {}};
  EXPECT_EQ(results[1].log, of_task(1) / "launch.txt");
  EXPECT_THAT(results_text(s, results, SweepMetric::loss),
              testing::EndsWith("task 1 failed with status 78: see " + results[1].log.string() + "\n"));
  const auto json = nlohmann::json::parse(results_json(s, results, SweepMetric::loss));
  EXPECT_EQ(json[1]["state"], "failed");
  EXPECT_EQ(json[1]["status"], 78);
  EXPECT_EQ(json[1]["log"], results[1].log.string());
  EXPECT_TRUE(json[0]["status"].is_null());
  keep_status(s.runs[1], 0);
  EXPECT_EQ(read_result(s.runs[1]).state, TaskState::waiting) << "it begins again";
}

TEST_F(SweepResultsTest, ADivergedTaskHasNoLossAndComesLast) {
  write(of_task(0) / "metrics.jsonl",
        step_line(1, 0.5) + evaluation_line(1, 99) + "{\"step\":2,\"epoch\":0.2,\"loss\":\"nan\"}\n");
  write(of_task(1) / "metrics.jsonl", step_line(1, 2) + evaluation_line(1, 10));
  const Sweep s = sweep();
  const std::vector<TaskResult> results = {read_result(s.runs[0]), read_result(s.runs[1]), {}};
  EXPECT_TRUE(results[0].diverged);
  EXPECT_FALSE(results[0].loss.has_value());
  for (const SweepMetric metric : {SweepMetric::loss, SweepMetric::top1, SweepMetric::eval_loss})
    EXPECT_EQ(ranking(results, metric).front(), 1U);
  EXPECT_THAT(results_text(s, results, SweepMetric::loss), testing::HasSubstr("  diverged  "));
  EXPECT_EQ(nlohmann::json::parse(results_json(s, results, SweepMetric::loss))[2]["diverged"], true);
}

// The loss guard gives up while the loss is still a number.
TEST_F(SweepResultsTest, ATaskThatEndedWith87IsDiverged) {
  const Sweep s = sweep();
  write(of_task(0) / "metrics.jsonl", step_line(1, 0.5));
  write(of_task(1) / "metrics.jsonl", step_line(1, 2));
  keep_start(s.runs[0], "12_0", of_task(0) / "metrics.jsonl");  // any file
  keep_status(s.runs[0], 87);
  const std::vector<TaskResult> results = {read_result(s.runs[0]), read_result(s.runs[1]), {}};
  EXPECT_EQ(results[0].state, TaskState::diverged);
  EXPECT_TRUE(results[0].is_over());
  EXPECT_THAT(ranking(results, SweepMetric::loss), testing::ElementsAre(1, 2, 0));
  EXPECT_THAT(
      results_text(s, results, SweepMetric::loss),
      testing::EndsWith("task 0 diverged (job 12_0): see " + (of_task(0) / "metrics.jsonl").string() + "\n"));
  const auto row = nlohmann::json::parse(results_json(s, results, SweepMetric::loss))[2];
  EXPECT_EQ(row["state"], "diverged");
  EXPECT_EQ(row["diverged"], true);
  EXPECT_EQ(row["status"], 87);
  EXPECT_TRUE(row["loss"].is_null());
}

TEST_F(SweepResultsTest, TheLogIsThatOfTheLastStart) {
  const Sweep s = sweep();
  write(of_task(1) / "launch.txt", "of an earlier start here");
  write(folder_ / "logs/12_1.log", "");
  keep_start(s.runs[1], "12_1", folder_ / "logs/12_1.log");
  EXPECT_EQ(read_result(s.runs[1]).state, TaskState::waiting) << "the start forgets the status";
  keep_status(s.runs[1], 1);
  EXPECT_EQ(read_result(s.runs[1]).log, folder_ / "logs/12_1.log");
  EXPECT_EQ(read_result(s.runs[1]).job, "12_1");
  fs::remove(folder_ / "logs/12_1.log");
  EXPECT_EQ(read_result(s.runs[1]).log, of_task(1) / "launch.txt");
}

TEST_F(SweepResultsTest, AFlagThatTheGridVariesIsRefused) {
  try {
    sweep({"--optimizer.lr", "0.5"});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    EXPECT_THAT(e.what(),
                testing::MatchesRegex("command line: --optimizer.lr: .*lr.ini varies this; leave one out"));
  }
}

TEST_F(SweepResultsTest, TextAndJsonSayTheSame) {
  const Sweep s = sweep();
  std::vector<TaskResult> results(3);
  results[1] = {TaskState::finished, 20, 2, 1.25, 1.5, 70.5, 99};
  EXPECT_EQ(results_text(s, results, SweepMetric::top1),
            "task  optimizer.lr     state           done    loss  eval loss  top-1  top-5\n"
            "   1           0.2  finished  2 of 2 epochs  1.2500     1.5000  70.50  99.00\n"
            "   0           0.1   waiting  0 of 2 epochs       -          -      -      -\n"
            "   2           0.3   waiting  0 of 2 epochs       -          -      -      -\n");
  const auto json = nlohmann::json::parse(results_json(s, results, SweepMetric::top1));
  EXPECT_EQ(json[0]["task"], 1);
  EXPECT_EQ(json[0]["settings"]["optimizer.lr"], "0.2");
  EXPECT_EQ(json[0]["top1"], 70.5);
  EXPECT_EQ(json[1]["state"], "waiting");
  EXPECT_TRUE(json[1]["top1"].is_null());
}

TEST_F(SweepResultsTest, AFolderOfOtherSettingsIsRefused) {
  check_unchanged(sweep().runs[0]);
  save(0, 10, false);
  check_unchanged(sweep().runs[0]);
  try {
    check_unchanged(sweep({"--optimizer.weight_decay", "0.05"}).runs[0]);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_EQ(e.what(),
              of_task(0).string() + " was begun with optimizer.weight_decay = 0.02, now it is 0.05");
  }
}

// 200,000 samples, of each an embedding of 512 numbers: more than the network's own state.
TEST_F(SweepResultsTest, SpaceHasWhatGrafitRemembersOfSamples) {
  const Sweep s = sweep({"--task.name", "grafit", "--data.train", "synthetic:200000,10,32", "--model.name",
                         "vit_ti16", "--grafit.outputs", "512"});
  const auto& config = s.runs[0].config;
  const std::uint64_t network = trainer::checkpoint_bytes(config, 0), samples = 200000 * 512 * 4;
  EXPECT_EQ(trainer::checkpoint_bytes(config, 200000), network + samples);
  EXPECT_EQ(space_of(s, std::vector<TaskResult>(3), {}).needed, 3 * 3 * (network + samples));
}

TEST_F(SweepResultsTest, SpaceIsThatOfTheUnfinishedTasks) {
  const Sweep s = sweep({"--optimizer.name", "sgd", "--checkpoint.keep_last", "2", "--model.name", "vit_ti16",
                         "--model.classes", "1000"});
  std::vector<TaskResult> results(3);
  // 5,722,408 weights (timm's deit3_tiny at 1,000 classes with LayerScale) and their momentum, three times.
  const std::uint64_t each = trainer::most_checkpoint_bytes(s.runs[0].config, 0);
  EXPECT_EQ(each, trainer::checkpoint_bytes(s.runs[0].config, 0) * 3);
  EXPECT_EQ(space_of(s, results, {}).needed, 3 * each);
  results[2].state = TaskState::finished;
  EXPECT_EQ(space_of(s, results, {}).needed, 2 * each);
  write(of_task(0) / "checkpoints/step-00000010/rank.h5", std::string(5000, 'x'));
  EXPECT_EQ(space_of(s, results, {}).needed, 2 * each - 5000);

  const SweepSpace tight = space_of(s, results, 0.1);
  EXPECT_EQ(tight.available, static_cast<std::uint64_t>(0.1 * (1 << 30)) - 5000);
  check_space(s, space_of(s, results, 1));
  try {
    check_space(s, tight);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_THAT(e.what(),
                testing::HasSubstr("checkpoints of the tasks to run: 0.275 GB more; free: 0.107 GB"));
  }
}

TEST_F(SweepResultsTest, ATaskThatCannotBeHonouredIsNamed) {
  try {
    sweep({"--run.lanes", "2", "--data.global_batch_size", "7"});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_THAT(e.what(), testing::StartsWith("task lr-0.1: data.global_batch_size = 7 with run.lanes = 2"));
  }
}

TEST(SweepCommandLine, ItsOwnFlagsAndThoseOfLaunch) {
  const CommandLine line =
      parse_command_line({"sweep", "run", "g.ini", "--at-once", "3", "--config", "not/read/here.cfg", "-n",
                          "2", "--run.steps=5", "--format", "json", "--metric", "loss"});
  EXPECT_EQ(line.own<SweepFlags>().action, SweepAction::run);
  EXPECT_EQ(line.own<SweepFlags>().at_once, 3);
  EXPECT_EQ(line.own<SweepFlags>().metric, SweepMetric::loss);
  EXPECT_EQ(line.own<SweepFlags>().format, OutputFormat::json);
  EXPECT_EQ(line.arguments, std::vector<std::string>{"g.ini"});
  EXPECT_EQ(line.passed_on,
            (std::vector<std::string>{"--config", "not/read/here.cfg", "-n", "2", "--run.steps=5"}));
}

TEST(SweepCommandLine, Refusals) {
  EXPECT_EQ(refusal({"sweep", "begin", "g.ini"}),
            "2 command line: sweep begin: expected plan, run, submit, status or folder");
  EXPECT_EQ(refusal({"sweep", "run", "g.ini", "--run.dir", "a"}),
            "2 command line: --run.dir: every task of a sweep has its own; --output names the folder of all");
  EXPECT_EQ(refusal({"sweep", "run", "g.ini", "--run.stesp", "5"}),
            "2 command line: --run.stesp: unknown key; nearest known key: run.steps");
  EXPECT_EQ(refusal({"sweep", "run", "g.ini", "--source", "5"}),
            "2 command line: --source: `vitrail sweep` does not use this; it is of pack");
}

}  // namespace
}  // namespace vitrail::launcher
