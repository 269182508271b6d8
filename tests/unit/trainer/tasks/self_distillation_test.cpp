// DINO against PyTorch, tests/peers/unlabelled/make_dino_fixtures.py: losses, gradients, centres and
// teachers; and that ranks, interruptions and views change no bit.
#include "trainer/tasks/unlabelled/self_distillation.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "tests/support/thread_world.hpp"
#include "tests/unit/models/pattern.hpp"
#include "tests/unit/trainer/running.hpp"
#include "tests/unit/trainer/tasks/peer_run.hpp"
#include "tests/unit/trainer/tiny_run.hpp"
#include "trainer/evaluation/evaluate_run.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

// What the fixture's run saw in place of what the loader brings.
class GivenViews final : public Task {
 public:
  GivenViews(const Config& config, std::int64_t samples) : config_(config), task_(config, samples) {}

  std::vector<datasets::ViewPlan> views() const override { return task_.views(); }
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override {
    const std::int64_t batch = config_.data.global_batch_size, rows = batch / config_.run.lanes;
    std::vector<at::Tensor> given;
    for (std::size_t v = 0; v < lane.views.size(); ++v) {
      const std::int64_t size = lane.views[v].size(2);
      const auto number = static_cast<std::int64_t>(10000 + 16 * lane.pass.step + v);
      given.push_back(models::pattern(number, {batch, 3, size, size}, lane.views[v].scalar_type())
                          .narrow(0, lane.batch.lane * rows, rows));
    }
    return task_.lane_loss(
        {lane.student, lane.batch, given, lane.state, lane.pass, lane.teacher, lane.teacher_pass}, shared);
  }
  std::size_t shared_values() const override { return task_.shared_values(); }
  void after_exchange(const LaneValues& shared, TaskState& state, sharding::SampleRows* rows) const override {
    task_.after_exchange(shared, state, rows);
  }
  void before_update(std::int64_t step, sharding::ShardedOptimizer& optimizer,
                     TaskState& state) const override {
    task_.before_update(step, optimizer, state);
  }
  double teacher_momentum(std::int64_t step) const override { return task_.teacher_momentum(step); }
  TaskState initial_state() const override { return task_.initial_state(); }
  std::unique_ptr<Scorer> scorer() const override { return nullptr; }

 private:
  Config config_;
  SelfDistillation task_;
};

std::unique_ptr<const Task> given_views(const Config& config, c10::Device, const datasets::Dataset& data) {
  return std::make_unique<const GivenViews>(config, data.size());
}

Config dino_like(const PeerRun& peer) {
  const nlohmann::json &head = peer.settings.at("head"), &dino = peer.settings.at("dino");
  Config config = peer.config();
  config.task.name = TaskName::dino;
  config.dino.head = {head.at("hidden"), head.at("bottleneck"), head.at("outputs"), head.at("batch_norm"),
                      head.at("fixed_lengths")};
  config.dino.local_views = dino.at("local_views");
  config.dino.local_size = dino.at("local_size");
  config.dino.student_temperature = dino.at("student_temperature");
  config.dino.teacher_temperature = dino.at("teacher_temperature");
  config.dino.warmup_temperature = dino.at("warmup_temperature");
  config.dino.temperature_warmup = dino.at("temperature_warmup");
  config.dino.momentum = dino.at("momentum");
  config.dino.centre_momentum = dino.at("centre_momentum");
  config.dino.freeze_last_layer = dino.at("freeze_last_layer");
  config.optimizer.lr = dino.at("lr");
  config.optimizer.weight_decay = dino.at("weight_decay");
  config.optimizer.eps = dino.at("eps");
  config.optimizer.clip_tensor = dino.at("clip_tensor");
  config.schedule.weight_decay_end = dino.at("weight_decay_end").get<double>();
  config.schedule.warmup = {dino.at("warmup_epochs").get<std::int64_t>(), Duration::Unit::epochs};
  config.schedule.warmup_lr = 0;
  config.schedule.warmup_to_peak = true;
  config.schedule.warmup_prefix = true;
  config.schedule.min_lr = dino.at("min_lr");
  return config;
}

class DinoPeerTest : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(DinoPeerTest, TwentyStepsAreTheirs) {
  const PeerRun peer("dino", std::get<0>(GetParam()));
  const auto centres = peer.file.read_as_double("centre");
  PeerLooks looks;
  looks.after_step = [&](Assembly&, const TrainState& state, std::size_t step) {
    const std::vector<double>& centre = state.task.at("centre");
    for (std::size_t k = 0; k < centre.size(); ++k)
      ASSERT_NEAR(centre[k], centres[step * centre.size() + k], kNearPeer) << "step " << step;
  };
  looks.at_the_end = [&](Assembly& run) {
    EXPECT_LT(distance(run, sharding::StateKind::weight, peer, "student."), kNearPeer);
    EXPECT_LT(distance(run, sharding::StateKind::ema, peer, "teacher."), kNearPeer);
    EXPECT_LT(distance(run, sharding::StateKind::exp_avg, peer, "exp_avg."), kNearPeer);
    EXPECT_LT(distance(run, sharding::StateKind::exp_avg_sq, peer, "exp_avg_sq."), kNearPeer);
    EXPECT_GT(distance(run, sharding::StateKind::weight, peer, "initial."), 0.01);
    EXPECT_GT(distance(run, sharding::StateKind::weight, peer, "teacher."), 1e-4);
  };
  expect_their_steps(peer, dino_like(peer), std::get<1>(GetParam()), given_views, looks);
}

INSTANTIATE_TEST_SUITE_P(Worlds, DinoPeerTest,
                         ::testing::Combine(::testing::Values("fixed", "learned"),
                                            ::testing::Values(1, 2, 4)));

Config tiny_dino(Precision precision) {
  Config config = tiny_run();
  config.run.lanes = 8;
  config.run.steps = 12;
  config.data.train = "synthetic:32,4,24";
  config.data.val = "synthetic:24,4,24";
  config.precision.compute = precision;
  config.precision.loss_scale.initial = 1 << 8;  // overflows at first: such steps move nothing
  config.model.drop_path = 0.2;
  config.task.name = TaskName::dino;
  config.dino.local_views = 2;
  config.dino.local_size = 8;
  config.dino.head = {16, 8, 24, false, false};
  config.optimizer.name = sharding::OptimizerName::adamw;
  config.optimizer.clip_tensor = 3;
  config.schedule.weight_decay_end = 0.4;
  config.evaluation.weights = WeightsUsed::ema;
  config.evaluation.neighbours = 3;
  return config;
}

class DinoTest : public RunsTest {
 protected:
  DinoTest() : RunsTest("dino") {}
};

TEST_F(DinoTest, OneHashAtAnyNumberOfRanks) { expect_one_hash_at_any_number_of_ranks(tiny_dino); }

TEST_F(DinoTest, InterruptedAndResumedOnOtherRanksIsUninterrupted) {
  expect_the_same_interrupted_and_resumed_on_other_ranks(tiny_dino(Precision::fp32));
}

// Two steps are an epoch. What takes no step does not decay either, and its moments stay zero.
TEST_F(DinoTest, TheLastLayerWaitsForItsEpoch) {
  const Config config = tiny_dino(Precision::fp32);
  tests::run_world(1, [&](sharding::Communicator& ranks) {
    Running running(config, ranks, folder_ / "waits");
    Assembly& run = running.run();
    const auto tensor_of = [&](const std::string& name, sharding::StateKind kind) {
      return values_of(run, kind, [&](const models::ParameterSpec& spec) { return spec.name == name; });
    };
    const auto weight = sharding::StateKind::weight;
    const auto last = tensor_of("head.last_layer.weight_v", weight);
    const auto other = tensor_of("head.mlp.0.weight", weight);
    running.step();
    running.step();
    EXPECT_EQ(tensor_of("head.last_layer.weight_v", weight), last);
    for (const float moment : tensor_of("head.last_layer.weight_v", sharding::StateKind::exp_avg_sq))
      ASSERT_EQ(moment, 0);
    EXPECT_NE(tensor_of("head.mlp.0.weight", weight), other);
    EXPECT_EQ(running.state.task.at("last_layer_steps").front(), 0);
    running.step();
    EXPECT_NE(tensor_of("head.last_layer.weight_v", weight), last);
    EXPECT_EQ(running.state.task.at("last_layer_steps").front(), 1);
  });
}

TEST_F(DinoTest, NeighboursJudgeItAlikeOnAnyRanks) {
  const Config config = tiny_dino(Precision::fp32);
  std::map<int, std::pair<double, double>> found;  // by ranks
  for (const int world : {1, 3}) {
    tests::run_world(world, [&](sharding::Communicator& ranks) {
      Running running(config, ranks, folder_ / fmt::format("knn-{}", world));
      running.step();
      running.run().finish_publishing();
      Log silent(false);
      const auto scores = evaluate_run(
          running.run(), config, [] { return false; }, silent);
      const auto stopped = evaluate_run(
          running.run(), config, [&] { return ranks.rank() == world - 1; }, silent);
      EXPECT_FALSE(stopped.has_value());
      if (ranks.rank() == 0) found[world] = {(*scores)["top1"], (*scores)["top5"]};
    });
  }
  EXPECT_EQ(found.at(1), found.at(3));
  EXPECT_GT(found.at(1).first, 0);
  EXPECT_EQ(found.at(1).second, 100);  // of four classes
}

TEST(SelfDistillationTest, SchedulesAreThoseOfTheirCode) {
  Config config = tiny_dino(Precision::fp32);
  config.run.steps = 8;
  config.dino.warmup_temperature = 0.04;
  config.dino.teacher_temperature = 0.07;
  config.dino.temperature_warmup = 4;
  config.dino.momentum = 0.996;
  const SelfDistillation task(config, 32);
  const std::vector<double> linspace = {0.04, 0.05, 0.06, 0.07, 0.07, 0.07};
  for (std::size_t epoch = 0; epoch < linspace.size(); ++epoch)
    EXPECT_NEAR(task.teacher_temperature(static_cast<std::int64_t>(epoch)), linspace[epoch], 1e-15);
  EXPECT_NEAR(task.teacher_momentum(0), 0.996, 1e-15);
  EXPECT_NEAR(task.teacher_momentum(4), 0.998, 1e-15);
  EXPECT_NEAR(task.teacher_momentum(8), 1, 1e-15);
}

TEST(SelfDistillationTest, ViewsAreThoseOfTheirCode) {
  Config config;
  config.run.steps = 1;
  config.task.name = TaskName::dino;
  const auto views = SelfDistillation(config, 256).views();
  ASSERT_EQ(views.size(), 10U);
  const auto blur = [&](std::size_t v) { return views[v].augment.distortion.blur; };
  EXPECT_EQ((std::vector{blur(0), blur(1), blur(2)}), (std::vector<double>{1, 0.1, 0.5}));
  EXPECT_EQ(views[1].augment.distortion.solarize, 0.2);
  EXPECT_EQ(views[0].augment.distortion.solarize, 0);
  EXPECT_EQ(views[0].image_size, 224);
  EXPECT_EQ(views[9].image_size, 96);
  EXPECT_EQ(views[9].augment.crop_max_area, 0.4);
}

}  // namespace
}  // namespace vitrail::trainer
