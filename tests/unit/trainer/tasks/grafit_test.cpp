// Grafit against PyTorch, tests/peers/unlabelled/make_grafit_fixtures.py: losses, gradients, targets and what
// is remembered of each sample; and that ranks and interruptions change no bit.
#include "trainer/tasks/unlabelled/grafit.hpp"

#include <filesystem>

#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include "tests/support/thread_world.hpp"
#include "tests/unit/models/pattern.hpp"
#include "tests/unit/trainer/running.hpp"
#include "tests/unit/trainer/tasks/peer_run.hpp"
#include "tests/unit/trainer/tiny_run.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

// Samples of which nothing but the labels is asked.
class Labelled final : public datasets::Dataset {
 public:
  explicit Labelled(std::vector<std::int64_t> labels) : labels_(std::move(labels)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t classes() const override { return 4; }
  std::string class_name(std::int64_t label) const override { return fmt::to_string(label); }
  std::int64_t label(std::int64_t index) const override {
    return labels_.at(static_cast<std::size_t>(index));
  }
  datasets::Sample read(std::int64_t) const override { return {}; }
  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override { return "labels"; }
  std::string describe() const override { return "labels"; }

 private:
  std::vector<std::int64_t> labels_;
};

// What the fixture's run saw in place of what the loader brings.
class GivenSamples final : public Task {
 public:
  GivenSamples(const Config& config, const PeerRun& peer)
      : config_(config),
        task_(config, c10::kCPU, Labelled(whole_numbers(peer.file, "labels"))),
        samples_(whole_numbers(peer.file, "samples")) {}

  std::vector<datasets::ViewPlan> views() const override { return task_.views(); }
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override {
    const std::int64_t batch = config_.data.global_batch_size, rows = batch / config_.run.lanes;
    std::vector<at::Tensor> given;
    for (std::size_t v = 0; v < lane.views.size(); ++v) {
      const std::int64_t size = lane.views[v].size(2);
      const auto number = static_cast<std::int64_t>(30000 + 16 * lane.pass.step + v);
      given.push_back(models::pattern(number, {batch, 3, size, size}, lane.views[v].scalar_type())
                          .narrow(0, lane.batch.lane * rows, rows));
    }
    datasets::LaneBatch seen;
    seen.lane = lane.batch.lane;
    const auto first = static_cast<std::int64_t>(lane.pass.step) * batch + seen.lane * rows;
    seen.sample_ids.assign(samples_.begin() + first, samples_.begin() + first + rows);
    return task_.lane_loss(
        {lane.student, seen, given, lane.state, lane.pass, lane.teacher, lane.teacher_pass, lane.rows},
        shared);
  }
  std::size_t shared_values() const override { return task_.shared_values(); }
  void after_exchange(const LaneValues& shared, TaskState& state, sharding::SampleRows* rows) const override {
    task_.after_exchange(shared, state, rows);
  }
  double teacher_momentum(std::int64_t step) const override { return task_.teacher_momentum(step); }
  std::int64_t row_width() const override { return task_.row_width(); }
  std::unique_ptr<Scorer> scorer() const override { return nullptr; }

 private:
  Config config_;
  Grafit task_;
  std::vector<std::int64_t> samples_;
};

Config grafit_like(const PeerRun& peer) {
  const nlohmann::json& theirs = peer.settings.at("grafit");
  Config config = peer.config();
  config.task.name = TaskName::grafit;
  config.grafit.views = theirs.at("views");
  config.grafit.instance_weight = theirs.at("instance_weight");
  config.grafit.temperature = theirs.at("temperature");
  config.grafit.memory_momentum = theirs.at("memory_momentum");
  config.grafit.memory_renormalised = theirs.at("memory_renormalised");
  config.grafit.momentum = theirs.at("momentum");
  config.grafit.head = {theirs.at("linear"), theirs.at("hidden"), theirs.at("outputs"),
                        theirs.at("predictor_hidden")};
  config.optimizer.name = sharding::OptimizerName::sgd;
  config.optimizer.nesterov = true;
  config.optimizer.momentum = theirs.at("sgd_momentum");
  config.optimizer.lr = theirs.at("lr");
  config.optimizer.weight_decay = theirs.at("weight_decay");
  config.schedule.name = ScheduleName::constant;
  return config;
}

// What is remembered, samples in order.
std::vector<double> memory_of(sharding::SampleRows& rows) {
  const auto [samples, width, lanes] = rows.shape();
  std::vector<double> all(static_cast<std::size_t>(samples * width));
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    std::vector<double> own(static_cast<std::size_t>(rows.elements_of(lane).count));
    rows.read(lane, std::as_writable_bytes(std::span(own)).data());
    for (std::int64_t row = 0; row < rows.rows_of(lane).count; ++row)
      std::copy_n(own.begin() + row * width, width, all.begin() + (lane + row * lanes) * width);
  }
  return all;
}

void write_memory(sharding::SampleRows& rows, std::span<const double> all) {
  const auto [samples, width, lanes] = rows.shape();
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    std::vector<double> own;
    for (std::int64_t sample = lane; sample < samples; sample += lanes) {
      const auto row = all.subspan(static_cast<std::size_t>(sample * width), static_cast<std::size_t>(width));
      own.insert(own.end(), row.begin(), row.end());
    }
    rows.write(lane, std::as_bytes(std::span(own)).data());
  }
}

class GrafitPeerTest : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(GrafitPeerTest, TwentyStepsAreTheirs) {
  const PeerRun peer("grafit", std::get<0>(GetParam()));
  const auto memories = peer.file.read_as_double("memory");
  const auto given = [&](const Config& config, c10::Device, const datasets::Dataset&) {
    return std::make_unique<const GivenSamples>(config, peer);
  };
  PeerLooks looks;
  looks.before = [&](Assembly& run) { write_memory(*run.rows, peer.file.read_as_double("initial_memory")); };
  looks.after_step = [&](Assembly& run, const TrainState&, std::size_t step) {
    const std::vector<double> memory = memory_of(*run.rows);
    for (std::size_t i = 0; i < memory.size(); ++i)
      ASSERT_NEAR(memory[i], memories[step * memory.size() + i], kNearPeer)
          << "step " << step << ", number " << i;
  };
  looks.at_the_end = [&](Assembly& run) {
    EXPECT_LT(distance(run, sharding::StateKind::weight, peer, "student."), kNearPeer);
    EXPECT_LT(distance(run, sharding::StateKind::exp_avg, peer, "momentum."), kNearPeer);
    EXPECT_GT(distance(run, sharding::StateKind::weight, peer, "initial."), 0.01);
    ASSERT_EQ(has_teacher(run.config), run.config.grafit.instance_weight > 0);
    if (!has_teacher(run.config)) return;
    EXPECT_LT(distance(run, sharding::StateKind::ema, peer, "teacher."), kNearPeer);
    EXPECT_GT(distance(run, sharding::StateKind::weight, peer, "teacher."), 1e-4);
  };
  expect_their_steps(peer, grafit_like(peer), std::get<1>(GetParam()), given, looks);
}

INSTANTIATE_TEST_SUITE_P(Worlds, GrafitPeerTest,
                         ::testing::Combine(::testing::Values("grafit", "linear", "neighbours"),
                                            ::testing::Values(1, 2, 4)));

Config tiny_grafit(Precision precision) {
  Config config = tiny_run();
  config.run.lanes = 8;
  config.run.steps = 12;
  config.data.train = "synthetic:52,4,24";  // lanes remember 7 samples, or 6
  config.data.global_batch_size = 32;
  config.precision.compute = precision;
  config.precision.loss_scale.initial = 1 << 12;  // overflows at first: such steps move nothing
  config.augment.crop = datasets::Crop::rrc;
  config.model.drop_path = 0.2;
  config.task.name = TaskName::grafit;
  config.grafit.views = 2;
  config.grafit.head = {false, 16, 8, 12};
  config.optimizer.name = sharding::OptimizerName::sgd;
  return config;
}

class GrafitTest : public RunsTest {
 protected:
  GrafitTest() : RunsTest("grafit") {}
};

TEST_F(GrafitTest, OneHashAtAnyNumberOfRanks) { expect_one_hash_at_any_number_of_ranks(tiny_grafit); }

TEST_F(GrafitTest, InterruptedAndResumedOnOtherRanksIsUninterrupted) {
  expect_the_same_interrupted_and_resumed_on_other_ranks(tiny_grafit(Precision::fp32));
}

TEST_F(GrafitTest, TheHashTellsWhatIsRememberedApart) {
  Config config = tiny_grafit(Precision::fp64);
  config.grafit.instance_weight = 0;
  tests::run_world(1, [&](sharding::Communicator& ranks) {
    Running running(config, ranks, folder_ / "apart");
    running.step();
    const std::string hash = running.save();
    std::vector<double> memory = memory_of(*running.run().rows);
    memory[17] += 1e-9;
    write_memory(*running.run().rows, memory);
    EXPECT_NE(running.save(), hash);
  });
}

// Copies of a sample in one step move what is remembered of it one after another.
TEST_F(GrafitTest, CopiesOfASampleCountOneAfterAnother) {
  Config config = tiny_grafit(Precision::fp32);
  config.data.repeated_augmentation = 2;
  EXPECT_EQ(run(config, "copies-3", {{3, 3}}), run(config, "copies-1", {{1, 3}}));
}

TEST(NeighbourLoss, AClassOfOneTellsNothing) {
  const auto numbers = at::TensorOptions(at::kLong);
  const at::Tensor rows = at::eye(3, at::kDouble);
  const at::Tensor embeddings = at::eye(3, at::kDouble).requires_grad_(true);
  const at::Tensor own = at::arange(3, numbers);
  const at::Tensor alone = neighbour_loss(embeddings, rows, own, own, 0.1);
  EXPECT_EQ(alone.item<double>(), 0);
  alone.backward();
  EXPECT_EQ(embeddings.grad().abs().max().item<double>(), 0);
  // Two of a class: each has one right and one wrong row, both at right angles.
  const at::Tensor labels = at::tensor(std::vector<std::int64_t>{0, 0, 1}, numbers);
  EXPECT_NEAR(neighbour_loss(embeddings, rows, labels, own, 0.1).item<double>(), 2 * std::log(2.0) / 3,
              1e-15);
}

TEST(GrafitViews, AreThoseOfInstancesAndOneMore) {
  Config config = tiny_grafit(Precision::fp32);
  const Labelled data(
      {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3});
  config.grafit.views = 4;
  EXPECT_EQ(Grafit(config, c10::kCPU, data).views().size(), 5U);
  config.grafit.instance_weight = 0;
  EXPECT_EQ(Grafit(config, c10::kCPU, data).views().size(), 1U);
}

}  // namespace
}  // namespace vitrail::trainer
