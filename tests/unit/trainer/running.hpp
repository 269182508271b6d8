// A run in a folder, begun or gone on with from its last checkpoint there, a step at a time; every rank's.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/assembled.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/checkpoint/checkpoint_writer.hpp"
#include "trainer/run/restore.hpp"
#include "trainer/settings/settings.hpp"

namespace vitrail::trainer {

class Running {
 public:
  Running(const Config& config, sharding::Communicator& ranks, const std::filesystem::path& folder,
          const Assembly::TaskMaker& make = make_task)
      : assembled_(config, ranks, make), directory_{folder / "run"}, phases_(ranks.rank(), std::nullopt) {
    Log silent(false);
    request_.config = assembled_.run.config;
    request_.program = {{"xxh3_128", "the same"}};
    if (auto restored = restore(assembled_.run, directory_, request_, silent)) {
      state = *restored;
    } else {
      assembled_.run.initialise_weights(silent);
      state.loss_scale.scale = loss_scale_rule(assembled_.run.config.precision).initial;
      state.task = assembled_.run.task->initial_state();
    }
    assembled_.run.start_loader(state);
  }

  StepResult step() {
    StepContext context = assembled_.run.context(phases_);
    return train_step(context, state, {}, {});
  }

  std::string save() {
    Assembly& run = assembled_.run;
    run.finish_publishing();
    CheckpointManifest manifest;
    manifest.state = state;
    manifest.lanes = run.config.run.lanes;
    manifest.world = run.communicator.size();
    manifest.data_fingerprint = run.train_data->fingerprint();
    manifest.settings = settings_of(run.config);
    manifest.machine = "a machine";
    manifest.writer = "a test";
    manifest.parameters = stored_parameters(run.specs);
    const std::filesystem::path saved =
        save_checkpoint(directory_.checkpoints(), {}, manifest, run.lane_state, run.communicator,
                        run.rows ? &*run.rows : nullptr);
    return state_hash(CheckpointReader(saved), StatePart::all);
  }

  Assembly& run() { return assembled_.run; }

  TrainState state;

 private:
  tests::Assembled assembled_;
  RunDirectory directory_;
  PhaseLog phases_;
  TrainRequest request_;
};

// Of this rank's pieces of those parameters, one after another.
inline std::vector<float> values_of(Assembly& run, sharding::StateKind kind,
                                    const std::function<bool(const models::ParameterSpec&)>& chosen) {
  std::vector<float> all;
  for (const sharding::Piece& piece : run.plan.pieces) {
    if (!chosen(run.specs[piece.parameter])) continue;
    std::vector<float> values(static_cast<std::size_t>(piece.elements));
    run.lane_state.read(kind, piece, std::as_writable_bytes(std::span(values)).data());
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

// Runs in folders of their own below one that is removed at the end.
class RunsTest : public ::testing::Test {
 protected:
  explicit RunsTest(const std::string& name)
      : folder_(std::filesystem::path(testing::TempDir()) / fmt::format("vitrail_{}_{}", name, ::getpid())) {}
  ~RunsTest() override { std::filesystem::remove_all(folder_); }

  // Its hash after each world's steps, one after another.
  std::string run(const Config& config, const std::string& name,
                  const std::vector<std::pair<int, int>>& worlds_and_steps) {
    std::string hash;
    for (const auto& [world, steps] : worlds_and_steps) {
      tests::run_world(world, [&, steps = steps](sharding::Communicator& ranks) {
        Running running(config, ranks, folder_ / name);
        for (int i = 0; i < steps; ++i) running.step();
        const std::string saved = running.save();
        if (ranks.rank() != 0) return;
        hash = saved;
        state_ = running.state;
      });
    }
    return hash;
  }

  // Eight steps in fp32 and in fp16, of which those that overflow at first move nothing.
  void expect_one_hash_at_any_number_of_ranks(const std::function<Config(Precision)>& config_of) {
    for (const Precision precision : {Precision::fp32, Precision::fp16}) {
      const Config config = config_of(precision);
      const int bits = precision == Precision::fp32 ? 32 : 16;
      const std::string one = run(config, fmt::format("{}-1", bits), {{1, 8}});
      EXPECT_EQ(state_.loss_scale.skipped > 0, precision == Precision::fp16);
      EXPECT_GT(state_.optimizer_steps, 2);
      for (const int world : {2, 3, 4, 8})
        EXPECT_EQ(run(config, fmt::format("{}-{}", bits, world), {{world, 8}}), one) << world << " ranks";
    }
  }

  void expect_the_same_interrupted_and_resumed_on_other_ranks(const Config& config) {
    const std::string whole = run(config, "whole", {{1, 6}});
    EXPECT_EQ(run(config, "parts", {{2, 1}, {4, 2}, {3, 3}}), whole);
  }

  const std::filesystem::path folder_;
  TrainState state_;  // after run()
};

}  // namespace vitrail::trainer
