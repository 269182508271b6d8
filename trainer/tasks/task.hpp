// What a run learns, as the step, the memory probe, the loop and the checkpoint see it. A task keeps nothing
// from step to step but its state, a value that belongs to the run; so what it does is the same on any number
// of ranks. Throws: Error(refused) for what cannot be learned so, naming the key.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "datasets/data_config.hpp"
#include "datasets/dataset.hpp"
#include "datasets/lane_batch.hpp"
#include "models/model.hpp"
#include "sharding/state/lane_state.hpp"
#include "sharding/state/sample_rows.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/checkpoint/run_state.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/tasks/scorer.hpp"

namespace vitrail::trainer {

struct LaneInput {
  const models::Model& student;
  const datasets::LaneBatch& batch;
  std::span<const at::Tensor>
      views;               // [b,3,S,S] each: those of the batch, on the device, in the compute type
  const TaskState& state;  // as the step found it
  const models::Pass& pass;
  const models::Model* teacher =
      nullptr;                       // the average of the student's weights, where the run has_teacher()
  const models::Pass& teacher_pass;  // in training, without draws
  // What the run remembers of every training sample, as the step found it; null: nothing.
  const sharding::SampleRows* rows = nullptr;
};

// Numbers of every lane, as all ranks know them after the step's one exchange.
struct LaneValues {
  std::span<const double> all;  // lane after lane
  std::size_t lanes = 0;

  std::span<const double> of(std::size_t lane) const;
  std::vector<double> sums() const;  // added in the order of lanes
};

class Task {
 public:
  virtual ~Task() = default;

  virtual std::vector<datasets::ViewPlan> views() const = 0;  // that training sees of every sample

  // A scalar, the mean over the lane's samples, from which backward begins. `shared`: this lane's
  // shared_values(), zero at first.
  virtual at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const = 0;

  // Numbers that every lane adds to the step's one exchange.
  virtual std::size_t shared_values() const { return 0; }
  // None of these is called for a step that is left out because half precision overflowed.
  virtual void after_exchange(const LaneValues& /*shared*/, TaskState& /*state*/,
                              sharding::SampleRows* /*rows*/) const {}
  virtual void before_update(std::int64_t /*step*/, sharding::ShardedOptimizer& /*optimizer*/,
                             TaskState& /*state*/) const {}
  virtual void after_update(std::int64_t /*step*/, sharding::LaneState& /*weights*/,
                            TaskState& /*state*/) const {}

  // Share of its own that the teacher keeps at the update that finishes step + 1 steps.
  virtual double teacher_momentum(std::int64_t /*step*/) const { return 1; }

  virtual TaskState initial_state() const { return {}; }
  // Numbers that the run remembers of every training sample; 0: nothing.
  virtual std::int64_t row_width() const { return 0; }
  virtual void begin_rows(sharding::SampleRows& /*rows*/) const {}
  // Of an evaluation during the run by a classifier; null: it learns none.
  virtual std::unique_ptr<Scorer> scorer() const { return nullptr; }
  // What it brings along, for the log.
  virtual std::vector<std::string> log_lines() const { return {}; }
};

// From `first` at step 0 by a cosine to 1 at `steps`: what teachers keep of their own.
double rising_momentum(double first, std::int64_t step, std::int64_t steps);

std::unique_ptr<const Task> make_task(const Config& config, c10::Device device,
                                      const datasets::Dataset& data);

}  // namespace vitrail::trainer
