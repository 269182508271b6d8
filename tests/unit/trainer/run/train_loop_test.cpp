// The loop of a run in this process: when it steps, evaluates, saves and stops.
#include "trainer/run/train_loop.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

#include "sharding/comm/local_communicator.hpp"
#include "tests/support/assembled.hpp"
#include "tests/unit/trainer/tiny_run.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/run/restore.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TrainLoopTest : public ::testing::Test {
 protected:
  TrainLoopTest() {
    config_ = tiny_run();
    config_.run.steps = 6;
    config_.checkpoint.every = {2, Duration::Unit::steps};
    config_.checkpoint.keep_last = 10;
  }
  ~TrainLoopTest() override { fs::remove_all(directory_.root); }

  // One attempt, from the newest checkpoint. `before`: what happens between assembling and the loop.
  std::optional<ExitCode> attempt(const std::function<void(TrainRequest&, LossGuard&)>& before = {}) {
    sharding::LocalCommunicator alone;
    TrainRequest request;
    request.config = config_;
    request.program = {{"xxh3_128", "the same"}};
    LossGuard guard(config_.guard);
    StopSignal stop;
    if (before) before(request, guard);
    PhaseLog phases(0, parse_fault(config_.run.fault));
    Watchdog watchdog(phases, config_.watchdog, "rank 0", [](const std::string&) {});
    prepare(directory_);
    const RunOwner owner(directory_.owners(), {.host = "here", .process = ::getpid()},
                         {[](const std::string&) {}, [] { return false; }});
    Log log(true);
    log.open(directory_.log());
    tests::Assembled assembled(config_, alone);
    Assembly& run = assembled.run;
    TrainState state;
    if (const auto restored = restore(run, directory_, request, log)) {
      state = *restored;
    } else {
      run.initialise_weights(log);
    }
    MetricsLogger metrics(directory_, state.metrics_bytes, owner, log, config_.log.every,
                          {run.total_steps, run.steps_per_epoch, state.step});
    const RunServices services{request, directory_, &owner, nullptr,  phases,    watchdog,
                               log,     stop,       guard,  {"here"}, "a_writer"};
    TrainLoop loop(run, state, services, &metrics);
    const auto end = loop.run();
    last_ = loop.state();
    return end;
  }

  std::vector<std::int64_t> saved() const {
    std::vector<std::int64_t> steps;
    for (const fs::path& path : list_checkpoints(directory_.checkpoints()))
      steps.insert(steps.begin(), CheckpointReader(path).manifest().state.step);
    return steps;
  }
  std::string said() const { return read_text(directory_.log()); }
  std::string last_hash() const {
    return state_hash(CheckpointReader(directory_.checkpoints() / "latest"), StatePart::all);
  }
  std::int64_t lines_of_metrics() const {
    const std::string text = read_text(directory_.metrics());
    return std::count(text.begin(), text.end(), '\n');
  }

  Config config_;
  RunDirectory directory_{fs::path(testing::TempDir()) / fmt::format("vitrail_loop_{}", ::getpid())};
  TrainState last_;
};

TEST_F(TrainLoopTest, GoesToThePlannedEndAndSavesOnTheWay) {
  EXPECT_EQ(attempt(), ExitCode::done);
  EXPECT_EQ(saved(), (std::vector<std::int64_t>{2, 4, 6}));
  EXPECT_EQ(lines_of_metrics(), 6);
  EXPECT_EQ(attempt(), ExitCode::done);
  EXPECT_THAT(said(), HasSubstr("the planned end is reached: step 6 of 6"));
  EXPECT_THAT(said(), HasSubstr("the run is finished: step 6 of 6"));
}

TEST_F(TrainLoopTest, StopsWhenAskedAndGoesOnFromThere) {
  EXPECT_EQ(attempt(), ExitCode::done);
  const std::string whole = last_hash();
  fs::remove_all(directory_.root);
  config_.run.fault = "forward:0:2:ask";
  EXPECT_EQ(attempt(), ExitCode::saved);
  EXPECT_EQ(saved(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_THAT(said(), HasSubstr("stopped on request after step 3; the same command goes on from there"));
  config_.run.fault = "";
  EXPECT_EQ(attempt(), ExitCode::done);
  EXPECT_EQ(last_hash(), whole);
  EXPECT_EQ(lines_of_metrics(), 6);
}

// Else a job whose signal comes while it starts would come a step further each time, and be requeued for
// ever.
TEST_F(TrainLoopTest, TakesNoStepWhereItIsAskedBeforeTheFirst) {
  // To this thread: those of earlier tests would take it.
  EXPECT_EQ(attempt([](TrainRequest&, LossGuard&) { std::raise(SIGUSR1); }), ExitCode::saved);
  EXPECT_TRUE(saved().empty());
  EXPECT_THAT(said(), HasSubstr("stopped on request before step 1; the same command begins there"));
}

TEST_F(TrainLoopTest, StopsInTimeForTheJobsEnd) {
  config_.run.stop_before = {60, Duration::Unit::seconds};
  const auto ends_soon = [](TrainRequest& request, LossGuard&) {
    request.job_ends = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  };
  EXPECT_EQ(attempt(ends_soon), ExitCode::saved);
  EXPECT_TRUE(saved().empty());
}

TEST_F(TrainLoopTest, EvaluatesWhenDueAndKeepsTheBest) {
  config_.data.val = "synthetic:32,4,16";
  config_.evaluation.every = {3, Duration::Unit::steps};
  config_.checkpoint.every = {0, Duration::Unit::steps};
  config_.checkpoint.keep_best = BestBy::loss;
  EXPECT_EQ(attempt(), ExitCode::done);
  EXPECT_EQ(lines_of_metrics(), 8);
  EXPECT_EQ(last_.evaluated_step, 6);
  ASSERT_TRUE(last_.best);
  EXPECT_EQ(fs::canonical(directory_.checkpoints() / "best").filename(), checkpoint_name(last_.best->step));
}

// The average is evaluated beside the student, whose training it does not touch.
TEST_F(TrainLoopTest, EvaluatingTheAverageChangesNoBitOfTheStudent) {
  config_.ema.decay = 0.9;
  EXPECT_EQ(attempt(), ExitCode::done);
  const std::string alone = last_hash();
  fs::remove_all(directory_.root);
  config_.data.val = "synthetic:32,4,16";
  config_.evaluation.every = {1, Duration::Unit::steps};
  config_.evaluation.weights = WeightsUsed::ema;
  EXPECT_EQ(attempt(), ExitCode::done);
  EXPECT_EQ(last_hash(), alone);
  EXPECT_THAT(said(), HasSubstr("(average of the weights): top-1 "));
}

TEST_F(TrainLoopTest, ADivergedLossEndsTheLoopWithoutSavingIt) {
  config_.guard.loss_factor = 3;
  config_.guard.patience = 2;
  config_.optimizer.lr = 1e4;
  config_.optimizer.clip_norm = 0;
  config_.run.steps = 60;
  const auto end = attempt([](TrainRequest&, LossGuard& guard) {
    for (int i = 0; i < 20; ++i) guard.look_at(0.01, 1);  // what is normal: all of this run's are far above
  });
  EXPECT_FALSE(end);
  EXPECT_EQ(last_.step, 2);
  EXPECT_TRUE(saved().empty());
}

TEST_F(TrainLoopTest, GoesOnWhereSavingFailsAndSavesLater) {
  config_.checkpoint.retry = {0, Duration::Unit::seconds};
  // In the way of the folder that step 2 is written to; a later step has another.
  const fs::path blocked = directory_.checkpoints() / "step-00000002.tmp-a_writer";
  fs::create_directories(directory_.checkpoints());
  std::ofstream(blocked) << "a file";
  EXPECT_EQ(attempt(), ExitCode::done);
  EXPECT_THAT(said(), HasSubstr("step 2 could not be saved (failure 1 in a row): rank 0: "));
  EXPECT_THAT(said(), HasSubstr("saving works again, after 1 failures"));
  EXPECT_EQ(saved().back(), 6);
}

}  // namespace
}  // namespace vitrail::trainer
