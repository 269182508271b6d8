// The optimizers fed gradients that PyTorch recorded: weights and moments are those of torch's AdamW and
// timm's Lamb (tests/peers/make_trajectory_fixtures.py), on any number of ranks.
#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sharding/device/host_device.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "tests/support/direct_plan.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::sharding {
namespace {

constexpr std::int64_t kRecordedLanes = 4;
constexpr int kSteps = 4;
constexpr float kTolerance = 1e-6F;

using Tensors = std::map<std::string, std::vector<float>>;

struct Recording {
  explicit Recording(const std::string& optimizer)
      : kind(optimizer), settings(nlohmann::json::parse(file.metadata().at("settings")).at(kind)) {
    for (const auto& [name, info] : initial.tensors()) {
      const bool token = name == "cls_token" || name == "pos_embed";
      const bool matrix = info.shape.size() > 1 && !name.ends_with(".bias") && !token;
      parameters.push_back({name, info.elements(), matrix});
      rules.push_back({.weight_decay = matrix ? settings.at("weight_decay").get<double>() : 0.0});
    }
  }

  OptimizerConfig config() const {
    OptimizerConfig c;
    c.name = kind == "lamb" ? OptimizerName::lamb : OptimizerName::adamw;
    c.beta1 = settings.at("beta1");
    c.beta2 = settings.at("beta2");
    c.eps = settings.at("eps");
    c.clip_norm = settings.at("clip_norm");
    if (kind == "lamb") c.lamb_max_grad_norm = settings.at("lamb_max_grad_norm");
    return c;
  }

  std::string kind;
  SafetensorsReader initial{VITRAIL_FIXTURES "/trajectory/initial.safetensors"};
  SafetensorsReader file{VITRAIL_FIXTURES "/trajectory/updates.safetensors"};
  nlohmann::json settings;
  std::vector<ParameterShape> parameters;
  std::vector<ParameterRule> rules;
};

// Takes the recorded steps on `world` ranks, all lanes with the recorded gradient, whose mean it is to the
// bit. Returns tensors under the fixture's names.
Tensors replay(const Recording& recording, int world) {
  const BucketPlan plan = make_bucket_plan(recording.parameters, kRecordedLanes, 4000);
  Tensors result;
  std::mutex mutex;
  tests::run_world(world, [&](Communicator& communicator) {
    HostDevice host;
    GradientReducer gradients(plan, tests::direct_plan(plan.lanes, communicator), {}, communicator, host);
    LaneState state(plan, gradients.layout().held, DataType::f32, host);
    ShardedOptimizer optimizer(recording.config(), recording.rules, communicator);
    const auto for_each_piece = [&](StateKind kind, auto&& f) {
      for (const Piece& piece : plan.pieces) {
        if (state.owns(piece)) f(piece, reinterpret_cast<float*>(state.piece(kind, piece)));
      }
    };
    const auto keep = [&](StateKind kind, const std::string& prefix) {
      const std::lock_guard lock(mutex);
      for_each_piece(kind, [&](const Piece& piece, const float* values) {
        const ParameterShape& parameter = plan.parameters[piece.parameter];
        std::vector<float>& whole = result[prefix + parameter.name];
        whole.resize(static_cast<std::size_t>(parameter.elements));
        std::copy(values, values + piece.elements, whole.begin() + piece.in_parameter);
      });
    };
    for_each_piece(StateKind::weight, [&](const Piece& piece, float* values) {
      const auto whole = recording.initial.read_as_float(plan.parameters[piece.parameter].name);
      std::copy_n(whole.begin() + piece.in_parameter, piece.elements, values);
    });
    for (int step = 1; step <= kSteps; ++step) {
      for (std::int64_t lane = gradients.layout().lanes.begin; lane < gradients.layout().lanes.end; ++lane) {
        gradients.begin_lane(lane);
        for (std::size_t p = 0; p < plan.parameters.size(); ++p) {
          const auto gradient =
              recording.file.read_as_float(fmt::format("gradients.{}.{}", step, plan.parameters[p].name));
          gradients.add(p, std::as_bytes(std::span(gradient)).data());
        }
        gradients.end_lane();
      }
      gradients.exchange();
      const double scale = 1.0 / kRecordedLanes;
      PerTensorSums squares = optimizer.clip_own(state, gradients, scale);
      communicator.all_reduce_sum(squares.values());
      optimizer.step(state, gradients, recording.settings.at("lr"), scale, squares);
      if (step == 1 || step == kSteps)
        keep(StateKind::weight, fmt::format("{}.weights.{}.", recording.kind, step));
    }
    keep(StateKind::exp_avg, recording.kind + ".exp_avg.");
    keep(StateKind::exp_avg_sq, recording.kind + ".exp_avg_sq.");
  });
  return result;
}

class RecordedUpdates : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Optimizers, RecordedUpdates, testing::Values("adamw", "lamb"));

TEST_P(RecordedUpdates, WeightsAndMomentsAreTheReferences) {
  const Recording recording(GetParam());
  const Tensors ours = replay(recording, 1);
  std::size_t compared = 0;
  for (const auto& [name, info] : recording.file.tensors()) {
    if (!name.starts_with(recording.kind + ".")) continue;
    ++compared;
    const std::vector<float> reference = recording.file.read_as_float(name);
    ASSERT_TRUE(ours.contains(name)) << name;
    ASSERT_EQ(ours.at(name).size(), reference.size()) << name;
    const bool is_weight = name.find(".weights.") != std::string::npos;
    float largest = 0;  // moments are small: compared with the largest of their tensor
    for (const float value : reference) largest = std::max(largest, std::abs(value));
    const float tolerance = is_weight ? kTolerance : kTolerance * largest;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      ASSERT_NEAR(ours.at(name)[i], reference[i], tolerance) << name << "[" << i << "]";
    }
  }
  EXPECT_EQ(compared, 4 * recording.parameters.size());  // two steps' weights and two moments
}

TEST_P(RecordedUpdates, AnyNumberOfRanksHasTheBitsOfOne) {
  const Recording recording(GetParam());
  const Tensors one = replay(recording, 1);
  for (const int world : {2, 3, 4}) EXPECT_EQ(replay(recording, world), one) << world << " ranks";
}

// The comparison would notice: the steps are some thousand times larger than the tolerance.
TEST_P(RecordedUpdates, TheStepsAreLarge) {
  const Recording recording(GetParam());
  for (const ParameterShape& parameter : recording.parameters) {
    const auto before = recording.initial.read_as_float(parameter.name);
    const auto after =
        recording.file.read_as_float(fmt::format("{}.weights.4.{}", GetParam(), parameter.name));
    float largest = 0;
    for (std::size_t i = 0; i < before.size(); ++i)
      largest = std::max(largest, std::abs(after[i] - before[i]));
    EXPECT_GT(largest, 100 * kTolerance) << parameter.name;
  }
}

}  // namespace
}  // namespace vitrail::sharding
