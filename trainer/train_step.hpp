// One step of training, the whole of it: train_step.cpp reads top to bottom.
// Throws: Error(refused) when the loss or a gradient is not finite (in half precision: again and again); what
// the loader and the model throw; PeerFailure.
#pragma once

#include <cstdint>
#include <string>

#include "datasets/loader/loader.hpp"
#include "sharding/comm/communicator.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/lane_state.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/checkpoint/run_state.hpp"
#include "trainer/device/image_buffers.hpp"
#include "trainer/network.hpp"
#include "trainer/schedule.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/settings/train_only.hpp"
#include "trainer/tasks/task.hpp"
#include "trainer/watch/phase.hpp"
#include "trainer/watch/slow_ranks.hpp"
#include "trainer/watch/step_trace.hpp"

namespace vitrail::trainer {

// Everything a step works with; owned by the caller.
struct StepContext {
  const Config& config;
  const Schedule& schedule;
  const Task& task;
  Network& student;
  Network* teacher;  // null: the task has none
  datasets::TrainLoader& loader;
  sharding::Communicator& communicator;
  sharding::GradientReducer& gradients;
  sharding::ShardedOptimizer& optimizer;
  sharding::LaneState& lane_state;
  const ZeroGradients& frozen;
  sharding::SampleRows* rows;  // that the task remembers; null: none
  ImageBuffers& images;
  PhaseLog& phases;
  StepTrace* trace = nullptr;  // of this step, if it is the one to be shown
};

// What this rank has to say; the step tells it to all ranks and returns what they know together.
struct StepSignals {
  bool save = false;                // a checkpoint is due by this rank's clock; by anyone's
  bool stop = false;                // this rank was asked to stop; any was
  bool damage = false;              // set by the step: a damaged sample was replaced in it
  bool checkpoint_written = false;  // of a checkpoint under way, this rank has done its part; all have
};

struct StepResult {
  double loss = 0;       // mean over the global batch
  double grad_norm = 0;  // before clipping
  double lr = 0;
  double weight_decay = 0;
  double loss_scale = 1;   // in force during this step
  bool skipped = false;    // half precision: the gradient was not finite, and no weight changed
  std::string order_hash;  // of the sample ids, over all lanes
  StepSignals agreed;
  std::vector<OwnWork> work;  // by rank, of the step before
};

// How the loss scale moves: fp16's as configured, the others stay at 1.
sharding::LossScaleConfig loss_scale_rule(const PrecisionConfig& precision);

// Takes step number `state.step` (0-based) and advances `state`.
// `work`: this rank's in the step before.
StepResult train_step(StepContext& c, TrainState& state, const StepSignals& own, const OwnWork& work);

}  // namespace vitrail::trainer
