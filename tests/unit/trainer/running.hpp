// A run in a folder, begun or gone on with from its last checkpoint there, a step at a time; every rank's.
#pragma once

#include <filesystem>
#include <string>

#include "tests/support/assembled.hpp"
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
        save_checkpoint(directory_.checkpoints(), {}, manifest, run.lane_state, run.communicator);
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

}  // namespace vitrail::trainer
