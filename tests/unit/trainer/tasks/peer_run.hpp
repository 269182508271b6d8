// Twenty steps of a task in PyTorch, as a script of tests/peers/unlabelled left them, and how far ours are.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/assembled.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/assembly.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {

struct PeerRun {
  SafetensorsReader file;
  nlohmann::json settings;

  PeerRun(const std::string& folder, const std::string& name)
      : file(std::filesystem::path(VITRAIL_FIXTURES) / folder / (name + ".safetensors")),
        settings(nlohmann::json::parse(file.metadata().at("settings"))) {}

  // What all tasks' scripts say alike.
  Config config() const {
    const nlohmann::json& model = settings.at("model");
    Config config;
    config.run.lanes = settings.at("lanes");
    config.run.steps = settings.at("steps");
    config.data.global_batch_size = settings.at("batch");
    config.data.train = fmt::format(
        "synthetic:{},4,16", settings.at("steps_per_epoch").get<int>() * config.data.global_batch_size);
    config.model.name = "deit_ti16";
    config.model.image_size = model.at("image_size");
    config.model.patch = model.at("patch");
    config.model.width = model.at("width");
    config.model.depth = model.at("depth");
    config.model.heads = model.at("heads");
    config.optimizer.name = sharding::OptimizerName::adamw;
    config.optimizer.decay_tokens = true;
    config.precision.compute = Precision::fp64;
    return config;
  }
};

inline std::vector<std::int64_t> whole_numbers(const SafetensorsReader& file, const std::string& name) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(file.info(name).elements()));
  file.read(name, std::as_writable_bytes(std::span(values)), 0);
  return values;
}

inline void write_initial(Assembly& run, const PeerRun& peer) {
  for (const sharding::Piece& piece : run.plan.pieces) {
    if (!run.lane_state.owns(piece)) continue;
    const auto values = peer.file.read_as_double("initial." + run.specs[piece.parameter].name);
    const auto part = std::span(values).subspan(static_cast<std::size_t>(piece.in_parameter),
                                                static_cast<std::size_t>(piece.elements));
    run.lane_state.write(sharding::StateKind::weight, piece, std::as_bytes(part).data());
    if (has_average(run.config))
      run.lane_state.write(sharding::StateKind::ema, piece, std::as_bytes(part).data());
  }
  run.publish();
}

// The largest difference of this rank's pieces from the peer's tensors `prefix`.NAME.
inline double distance(Assembly& run, sharding::StateKind kind, const PeerRun& peer,
                       const std::string& prefix) {
  double most = 0;
  for (const sharding::Piece& piece : run.plan.pieces) {
    const std::string name = prefix + run.specs[piece.parameter].name;
    if (!run.lane_state.owns(piece) || !peer.file.tensors().contains(name)) continue;
    const auto wanted = peer.file.read_as_double(name);
    std::vector<double> values(static_cast<std::size_t>(piece.elements));
    run.lane_state.read(kind, piece, std::as_writable_bytes(std::span(values)).data());
    for (std::size_t i = 0; i < values.size(); ++i)
      most = std::max(most, std::abs(values[i] - wanted[static_cast<std::size_t>(piece.in_parameter) + i]));
  }
  return most;
}

inline constexpr double kNearPeer = 1e-10;

// What a task's test does and looks at beside losses and norms, one rank at a time, so nothing collective.
struct PeerLooks {
  std::function<void(Assembly& run)> before = [](Assembly&) {};
  std::function<void(Assembly& run, const TrainState& state, std::size_t step)> after_step =
      [](Assembly&, const TrainState&, std::size_t) {};
  std::function<void(Assembly& run)> at_the_end = [](Assembly&) {};
};

// Losses and gradient norms of all their steps, on so many ranks.
inline void expect_their_steps(const PeerRun& peer, const Config& config, int world,
                               const Assembly::TaskMaker& make, const PeerLooks& looks) {
  const auto losses = peer.file.read_as_double("loss"), norms = peer.file.read_as_double("grad_norm");
  std::mutex mutex;
  const auto make_alone = [&](const Config& own, c10::Device device, const datasets::Dataset& data) {
    const std::lock_guard lock(mutex);
    return make(own, device, data);
  };
  tests::run_world(world, [&](sharding::Communicator& ranks) {
    tests::Assembled assembled(config, ranks, make_alone);
    Assembly& run = assembled.run;
    Log silent(false);
    run.initialise_weights(silent);
    {
      const std::lock_guard lock(mutex);
      looks.before(run);
    }
    write_initial(run, peer);
    TrainState state;
    state.task = run.task->initial_state();
    run.start_loader(state);
    PhaseLog phases(ranks.rank(), std::nullopt);
    for (std::size_t step = 0; step < losses.size(); ++step) {
      StepContext context = run.context(phases);
      const StepResult result = train_step(context, state, {}, {});
      const std::lock_guard lock(mutex);
      ASSERT_NEAR(result.loss, losses[step], kNearPeer) << "step " << step;
      ASSERT_NEAR(result.grad_norm, norms[step], kNearPeer * norms[step]) << "step " << step;
      looks.after_step(run, state, step);
    }
    const std::lock_guard lock(mutex);
    looks.at_the_end(run);
  });
}

}  // namespace vitrail::trainer
