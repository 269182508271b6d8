// What a task is promised, by one that uses all of it: two views, numbers that lanes share, a state.
#include "trainer/tasks/task.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "models/heads/logits.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "tests/support/thread_world.hpp"
#include "tests/unit/trainer/running.hpp"
#include "tests/unit/trainer/tiny_run.hpp"
#include "trainer/tasks/classification_scorer.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

// Both views of an image shall have the same logits, whose mean over all images, as remembered from the steps
// before, is taken away first.
class Consistency final : public Task {
 public:
  explicit Consistency(const Config& config) : config_(config) {}

  std::vector<datasets::ViewPlan> views() const override {
    return {2, {config_.augment, config_.model.image_size}};
  }
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override {
    const at::Tensor first = lane.student.forward(lane.views[0], lane.pass).mean();
    const at::Tensor second = lane.student.forward(lane.views[1], lane.pass).mean();
    const auto centre = at::tensor(lane.state.at("centre"), first.options());
    const at::Tensor mean = first.detach().to(at::kDouble).mean(0);
    std::copy_n(mean.const_data_ptr<double>(), mean.numel(), shared.begin());
    shared[static_cast<std::size_t>(mean.numel())] = static_cast<double>(lane.batch.lane + 1);
    return at::cross_entropy_loss(first - centre, at::softmax(second.detach() - centre, 1)) +
           (first - second).pow(2).mean();
  }
  std::size_t shared_values() const override { return classes() + 1; }
  void after_exchange(const LaneValues& shared, TaskState& state, sharding::SampleRows* rows) const override {
    EXPECT_EQ(rows, nullptr);
    const std::vector<double> sums = shared.sums();
    const auto lanes = static_cast<double>(config_.run.lanes);
    for (std::size_t k = 0; k < classes(); ++k)
      state.at("centre")[k] = 0.9 * state.at("centre")[k] + 0.1 * sums[k] / lanes;
    state.at("lanes")[0] += sums[classes()];
  }
  void after_update(std::int64_t step, sharding::LaneState& weights, TaskState& state) const override {
    EXPECT_EQ(static_cast<double>(step), state.at("lanes")[1]++);
    EXPECT_FALSE(weights.kinds().empty());
  }
  TaskState initial_state() const override {
    return {{"centre", std::vector<double>(classes())}, {"lanes", {0, 0}}};
  }
  std::unique_ptr<Scorer> scorer() const override {
    return std::make_unique<ClassificationScorer>(ClassificationScorer::Options{config_.run.lanes});
  }

 private:
  std::size_t classes() const { return static_cast<std::size_t>(config_.model.classes); }

  Config config_;
};

Config two_views() {
  Config config = tiny_run();
  config.augment.crop = datasets::Crop::rrc;
  config.model.drop_path = 0.2;
  return config;
}

std::unique_ptr<const Task> consistency(const Config& config, c10::Device, const datasets::Dataset&) {
  return std::make_unique<const Consistency>(config);
}

class TaskTest : public ::testing::Test {
 protected:
  ~TaskTest() override { fs::remove_all(folder_); }

  // After each world's steps, one after another in the same folder: the last hash, and the last losses.
  std::string run(const std::string& name, const std::vector<std::pair<int, int>>& worlds_and_steps) {
    std::string hash;
    for (const auto& [world, steps] : worlds_and_steps) {
      tests::run_world(world, [&, steps = steps](sharding::Communicator& ranks) {
        Running running(two_views(), ranks, folder_ / name, consistency);
        for (int i = 0; i < steps; ++i) running.step();
        const std::string saved = running.save();
        if (ranks.rank() == 0) {
          hash = saved;
          last_ = running.state;
        }
      });
    }
    return hash;
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / fmt::format("vitrail_task_{}", ::getpid());
  TrainState last_;
};

TEST_F(TaskTest, SharesAndRemembersTheSameAtAnyNumberOfRanks) {
  const std::string one = run("one", {{1, 5}});
  const TaskState state = last_.task;
  EXPECT_EQ(state.at("lanes"), (std::vector<double>{5 * (1 + 2 + 3 + 4), 5}));
  for (const double x : state.at("centre")) EXPECT_NE(x, 0);
  for (const int world : {2, 3, 4}) {
    EXPECT_EQ(run(fmt::format("world-{}", world), {{world, 5}}), one) << world << " ranks";
    EXPECT_EQ(last_.task, state) << world << " ranks";
  }
}

TEST_F(TaskTest, InterruptedAndResumedOnOtherRanksIsUninterrupted) {
  const std::string whole = run("whole", {{1, 6}});
  EXPECT_EQ(run("parts", {{2, 2}, {4, 1}, {1, 3}}), whole);
}

TEST_F(TaskTest, TheHashTellsItsStateApart) {
  const std::string hash = run("a", {{1, 1}});
  std::string moved;
  tests::run_world(1, [&](sharding::Communicator& ranks) {
    Running running(two_views(), ranks, folder_ / "a", consistency);
    running.state.task.at("centre")[0] += 1;
    moved = running.save();
  });
  EXPECT_NE(moved, hash);
}

}  // namespace
}  // namespace vitrail::trainer
