// A linear probe against PyTorch, tests/peers/unlabelled/make_linear_fixtures.py; and that ranks and
// interruptions change no bit, nor the probe its body.
#include "trainer/tasks/linear_probe.hpp"

#include <filesystem>

#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include "models/families/catalogue.hpp"
#include "tests/support/thread_world.hpp"
#include "tests/unit/models/pattern.hpp"
#include "tests/unit/trainer/running.hpp"
#include "tests/unit/trainer/tasks/peer_run.hpp"
#include "tests/unit/trainer/tiny_run.hpp"
#include "trainer/base/error.hpp"
#include "trainer/evaluation/evaluate_run.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {
namespace {

// What the fixture's run saw in place of what the loader brings.
class GivenLabels final : public Task {
 public:
  GivenLabels(const Config& config, const PeerRun& peer)
      : config_(config), task_(config_), labels_(whole_numbers(peer.file, "labels")) {}

  std::vector<datasets::ViewPlan> views() const override { return task_.views(); }
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override {
    const std::int64_t batch = config_.data.global_batch_size, rows = batch / config_.run.lanes;
    const std::int64_t size = config_.model.image_size;
    const std::vector<at::Tensor> given = {models::pattern(40000 + static_cast<std::int64_t>(lane.pass.step),
                                                           {batch, 3, size, size},
                                                           lane.views.front().scalar_type())
                                               .narrow(0, lane.batch.lane * rows, rows)};
    datasets::LaneBatch seen;
    const auto first = static_cast<std::int64_t>(lane.pass.step) * batch + lane.batch.lane * rows;
    seen.labels.assign(labels_.begin() + first, labels_.begin() + first + rows);
    seen.partner_labels = seen.labels;
    return task_.lane_loss(
        {lane.student, seen, given, lane.state, lane.pass, lane.teacher, lane.teacher_pass}, shared);
  }
  std::unique_ptr<Scorer> scorer() const override { return task_.scorer(); }

 private:
  Config config_;
  LinearProbe task_;
  std::vector<std::int64_t> labels_;
};

Config linear_like(const PeerRun& peer) {
  const nlohmann::json& theirs = peer.settings.at("linear");
  Config config = peer.config();
  config.task.name = TaskName::linear;
  config.linear.features = theirs.at("features");
  config.model.classes = peer.settings.at("classes");
  config.model.drop_path = 0.5;  // of a body that learns
  config.optimizer.name = sharding::OptimizerName::sgd;
  config.optimizer.nesterov = false;
  config.optimizer.momentum = theirs.at("sgd_momentum");
  config.optimizer.lr = theirs.at("lr");
  config.optimizer.weight_decay = 0;
  config.schedule.name = ScheduleName::constant;
  return config;
}

class LinearPeerTest : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(LinearPeerTest, TwentyStepsAreTheirs) {
  const PeerRun peer("linear", std::get<0>(GetParam()));
  const auto given = [&](const Config& config, c10::Device, const datasets::Dataset&) {
    return std::make_unique<const GivenLabels>(config, peer);
  };
  PeerLooks looks;
  looks.at_the_end = [&](Assembly& run) {
    EXPECT_LT(distance(run, sharding::StateKind::weight, peer, "student."), kNearPeer);
    EXPECT_LT(distance(run, sharding::StateKind::exp_avg, peer, "momentum."), kNearPeer);
    EXPECT_EQ(peer.file.read_as_double("student.cls_token"), peer.file.read_as_double("initial.cls_token"));
  };
  expect_their_steps(peer, linear_like(peer), std::get<1>(GetParam()), given, looks);
}

INSTANTIATE_TEST_SUITE_P(Worlds, LinearPeerTest,
                         ::testing::Combine(::testing::Values("blocks", "beside"),
                                            ::testing::Values(1, 2, 4)));

Config tiny_probe(Precision precision) {
  Config config = tiny_run();
  config.run.lanes = 8;
  config.run.steps = 12;
  config.data.train = "synthetic:64,4,24";
  config.data.val = "synthetic:24,4,24";
  config.data.global_batch_size = 32;
  config.precision.compute = precision;
  config.precision.loss_scale.initial = 1 << 17;  // overflows at first: such steps move nothing
  config.augment.crop = datasets::Crop::rrc;
  config.task.name = TaskName::linear;
  config.linear.features = "last:2";
  config.optimizer.name = sharding::OptimizerName::sgd;
  config.optimizer.weight_decay = 0.1;  // of the classifier alone
  return config;
}

class LinearProbeTest : public RunsTest {
 protected:
  LinearProbeTest() : RunsTest("linear") {}
};

TEST_F(LinearProbeTest, OneHashAtAnyNumberOfRanks) { expect_one_hash_at_any_number_of_ranks(tiny_probe); }

TEST_F(LinearProbeTest, InterruptedAndResumedOnOtherRanksIsUninterrupted) {
  expect_the_same_interrupted_and_resumed_on_other_ranks(tiny_probe(Precision::fp32));
}

// Batch norms' statistics included.
TEST_F(LinearProbeTest, NothingButTheClassifierMoves) {
  Config config = tiny_probe(Precision::fp32);
  config.model = {};
  config.model.name = "resnet18";
  config.model.image_size = 32;
  config.model.classes = 4;
  config.linear.features = "mean";
  tests::run_world(1, [&](sharding::Communicator& ranks) {
    Running running(config, ranks, folder_ / "still");
    Assembly& run = running.run();
    const auto part = [&](bool head) {
      return values_of(run, sharding::StateKind::weight,
                       [head](const models::ParameterSpec& spec) { return spec.head == head; });
    };
    const auto body = part(false), head = part(true);
    running.step();
    running.step();
    EXPECT_EQ(part(false), body);
    EXPECT_NE(part(true), head);
    run.finish_publishing();
    Log silent(false);
    EXPECT_EQ(evaluate_run(
                  run, config, [] { return false; }, silent)
                  ->list.size(),
              3U);
  });
}

TEST(ProbeHead, IsAsWideAsWhatItReads) {
  const auto rows_of = [](const char* model, const char* features) {
    models::ModelConfig config;
    config.name = model;
    config.classes = 7;
    config.task_head = models::ProbeConfig{features};
    std::vector<std::vector<std::int64_t>> shapes;
    for (const models::ParameterSpec& spec : models::parameters_of(config)) {
      EXPECT_NE(spec.fixed, spec.head) << spec.name;
      if (spec.head) shapes.push_back(spec.shape);
    }
    return shapes;
  };
  using Shapes = std::vector<std::vector<std::int64_t>>;
  EXPECT_EQ(rows_of("deit_s16", "last:4"), (Shapes{{7, 1536}, {7}}));
  EXPECT_EQ(rows_of("deit_b16", "head+mean"), (Shapes{{7, 1536}, {7}}));
  EXPECT_EQ(rows_of("resnet50", "head"), (Shapes{{7, 2048}, {7}}));
  EXPECT_THROW(rows_of("deit_s16_distilled", "head"), Error);
}

// Blocks of other widths than the last one's are found when they are looked at.
TEST(ProbeHead, OfBlocksOfSeveralWidthsIsRefused) {
  Config config = tiny_probe(Precision::fp32);
  config.model = {};
  config.model.name = "resnet18";
  config.model.image_size = 32;
  config.model.classes = 4;
  config.linear.features = "last:4";
  tests::run_world(1, [&](sharding::Communicator& ranks) {
    tests::Assembled assembled(config, ranks);
    Log silent(false);
    assembled.run.initialise_weights(silent);
    TrainState state;
    assembled.run.start_loader(state);
    PhaseLog phases(0, std::nullopt);
    StepContext context = assembled.run.context(phases);
    try {
      train_step(context, state, {}, {});
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), ::testing::StartsWith("linear.features: they are [4, 1536]"));
    }
  });
}

}  // namespace
}  // namespace vitrail::trainer
