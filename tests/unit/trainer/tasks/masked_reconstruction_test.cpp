// MAE against PyTorch, tests/peers/unlabelled/make_mae_fixtures.py; and that ranks and interruptions change
// no bit.
#include "trainer/tasks/unlabelled/masked_reconstruction.hpp"

#include <filesystem>

#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include "models/families/catalogue.hpp"
#include "tests/support/thread_world.hpp"
#include "tests/unit/models/pattern.hpp"
#include "tests/unit/trainer/running.hpp"
#include "tests/unit/trainer/tasks/peer_run.hpp"
#include "tests/unit/trainer/tiny_run.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/tasks/unlabelled/patch_mask.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

// What the fixture's run saw in place of what the loader and the draws bring.
class GivenPatches final : public Task {
 public:
  GivenPatches(const Config& config, const std::vector<std::int64_t>& seen)
      : config_(config),
        task_(config, [config, seen](const models::Pass& pass, std::int64_t images, std::int64_t,
                                     std::int64_t count) {
          const std::int64_t first = (static_cast<std::int64_t>(pass.step) * config.data.global_batch_size +
                                      static_cast<std::int64_t>(pass.lane) * images) *
                                     count;
          return std::vector(seen.begin() + first, seen.begin() + first + images * count);
        }) {}

  std::vector<datasets::ViewPlan> views() const override { return task_.views(); }
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override {
    const std::int64_t batch = config_.data.global_batch_size, rows = batch / config_.run.lanes;
    const std::int64_t size = config_.model.image_size;
    const std::vector<at::Tensor> given = {models::pattern(20000 + static_cast<std::int64_t>(lane.pass.step),
                                                           {batch, 3, size, size},
                                                           lane.views.front().scalar_type())
                                               .narrow(0, lane.batch.lane * rows, rows)};
    return task_.lane_loss(
        {lane.student, lane.batch, given, lane.state, lane.pass, lane.teacher, lane.teacher_pass}, shared);
  }
  std::unique_ptr<Scorer> scorer() const override { return nullptr; }

 private:
  Config config_;
  MaskedReconstruction task_;
};

Config mae_like(const PeerRun& peer) {
  const nlohmann::json &decoder = peer.settings.at("decoder"), &optimizer = peer.settings.at("optimizer");
  Config config = peer.config();
  config.task.name = TaskName::mae;
  config.mae.head = {decoder.at("masked"), decoder.at("width"), decoder.at("depth"), decoder.at("heads")};
  config.mae.normalised = peer.settings.at("normalised");
  config.optimizer.lr = optimizer.at("lr");
  config.optimizer.weight_decay = optimizer.at("weight_decay");
  config.optimizer.beta2 = optimizer.at("beta2");
  config.optimizer.eps = optimizer.at("eps");
  config.schedule.warmup = {peer.settings.at("warmup_epochs").get<std::int64_t>(), Duration::Unit::epochs};
  config.schedule.warmup_lr = 0;
  config.schedule.warmup_prefix = true;
  config.schedule.min_lr = 0;
  return config;
}

class MaePeerTest : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

TEST_P(MaePeerTest, TwentyStepsAreTheirs) {
  const PeerRun peer("mae", std::get<0>(GetParam()));
  const auto seen = whole_numbers(peer.file, "seen");
  const auto given = [&](const Config& config, c10::Device, const datasets::Dataset&) {
    return std::make_unique<const GivenPatches>(config, seen);
  };
  for (const char* const table : {"initial.pos_embed", "initial.decoder_pos_embed"})
    ASSERT_TRUE(peer.file.tensors().contains(table));
  PeerLooks looks;
  looks.at_the_end = [&](Assembly& run) {
    EXPECT_LT(distance(run, sharding::StateKind::weight, peer, "student."), kNearPeer);
    EXPECT_LT(distance(run, sharding::StateKind::exp_avg, peer, "exp_avg."), kNearPeer);
    EXPECT_LT(distance(run, sharding::StateKind::exp_avg_sq, peer, "exp_avg_sq."), kNearPeer);
    EXPECT_GT(distance(run, sharding::StateKind::weight, peer, "initial."), 0.01);
  };
  expect_their_steps(peer, mae_like(peer), std::get<1>(GetParam()), given, looks);
}

INSTANTIATE_TEST_SUITE_P(Worlds, MaePeerTest,
                         ::testing::Combine(::testing::Values("normalised", "plain"),
                                            ::testing::Values(1, 2, 4)));

TEST(MaeTest, PositionsAreTheirWaves) {
  const PeerRun peer("mae", "plain");
  for (const models::ParameterSpec& spec : models::parameters_of(network_of(mae_like(peer)))) {
    if (spec.role != models::Role::position) continue;
    const auto wanted = peer.file.read_as_double("initial." + spec.name);
    std::vector<double> found(wanted.size());
    models::fill_initial(spec.init, 1, spec.name, 0, found);
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], wanted[i], 1e-14) << spec.name;
    EXPECT_TRUE(spec.fixed);
  }
}

TEST(PatchMask, EveryImageIsSeenInAsManyPlacesOfItsOwn) {
  const auto two = draw_seen_patches({1, 5, 3}, 2, 196, 49), one = draw_seen_patches({1, 5, 3}, 1, 196, 49);
  ASSERT_EQ(two.size(), 98U);
  EXPECT_TRUE(std::equal(one.begin(), one.end(), two.begin()));
  EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
  EXPECT_EQ(std::set(one.begin(), one.end()).size(), 49U);
  EXPECT_NE(std::vector(two.begin() + 49, two.end()), one);
  for (const PatchMaskKey& key : {PatchMaskKey{2, 5, 3}, {1, 6, 3}, {1, 5, 4}})
    EXPECT_NE(draw_seen_patches(key, 1, 196, 49), one);
}

// Each of 16 patches is one of 4 that are seen: 20,000 draws, five standard errors.
TEST(PatchMask, AllPatchesAreSeenAlikeOften) {
  constexpr int kImages = 20000;
  std::vector<int> counts(16);
  for (const std::int64_t patch : draw_seen_patches({9, 0, 0}, kImages, 16, 4))
    ++counts[static_cast<std::size_t>(patch)];
  const double error = std::sqrt(kImages * 0.25 * 0.75);
  for (const int count : counts) EXPECT_NEAR(count, kImages / 4.0, 5 * error);
}

Config tiny_mae(Precision precision) {
  Config config = tiny_run();
  config.run.lanes = 8;
  config.run.steps = 12;
  config.model.name = "deit_ti16";
  config.model.patch = 4;
  config.data.train = "synthetic:32,4,24";
  config.precision.compute = precision;
  config.precision.loss_scale.initial = 1 << 20;  // overflows at first: such steps move nothing
  config.model.drop_path = 0.2;
  config.task.name = TaskName::mae;
  config.mae.head = {0.75, 16, 1, 2};
  config.optimizer.name = sharding::OptimizerName::adamw;
  return config;
}

class MaeRunTest : public RunsTest {
 protected:
  MaeRunTest() : RunsTest("mae") {}
};

TEST_F(MaeRunTest, OneHashAtAnyNumberOfRanks) { expect_one_hash_at_any_number_of_ranks(tiny_mae); }

TEST_F(MaeRunTest, InterruptedAndResumedOnOtherRanksIsUninterrupted) {
  expect_the_same_interrupted_and_resumed_on_other_ranks(tiny_mae(Precision::fp32));
}

// MAE's counts: 111.91 M with the encoder of ViT-B/16, 85.65 M of it learned there.
TEST(MaeTest, HasTheSizesOfMaes) {
  const std::map<std::string, std::int64_t> published = {{"deit_b16", 111'907'840},
                                                         {"deit_l16", 329'541'888}};
  for (const auto& [name, all] : published) {
    Config config;
    config.model.name = name;
    config.task.name = TaskName::mae;
    EXPECT_EQ(models::describe_model(network_of(config)).params, all) << name;
  }
}

}  // namespace
}  // namespace vitrail::trainer
