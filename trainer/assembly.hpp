// From a configuration to a run that is ready for its first step: model, plan, state, loader, optimizer, in
// one visible order. Holds everything that training owns. Throws: Error(refused) for what cannot be honoured
// together, naming the key; what opening the data throws.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "sharding/plan/memory_plan.hpp"
#include "trainer/base/log.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/train_step.hpp"

namespace vitrail::trainer {

class Assembly {
 public:
  using TaskMaker =
      std::function<std::unique_ptr<const Task>(const Config&, c10::Device, const datasets::Dataset&)>;

  Assembly(const Config& config, sharding::Communicator& communicator, ComputeDevice& device,
           const TaskMaker& make = make_task);
  ~Assembly();
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  // From the seed, or from model.weights, of which a record is returned; then the networks have them.
  std::string initialise_weights(Log& log);
  void publish();            // what the state holds now, to all networks
  void finish_publishing();  // of a step: all networks are complete
  Network* teacher();        // null: the task has none
  // What evaluations look at: the student, or the average of its weights as it is now. Collective.
  const models::Model& evaluated_model();
  // Batches from there on. `watch`: is told of every image.
  void start_loader(const TrainState& state, const datasets::ImageWatch& watch = {});
  // Collective: damaged samples that any rank's loader met since the last call; all loaders know them now.
  datasets::DamageLedger share_damage();
  StepContext context(PhaseLog& phases);
  // Share of the peak that this rate is, in forward and backward passes of the images that stochastic
  // depth computes at that step; absent where the peak is unknown.
  std::optional<double> mfu(double images_per_s, std::int64_t step) const;
  sharding::MemoryPlan planned_memory() const;  // of this rank, activations aside
  // Bytes that this rank ever held: on a CPU the process, on a GPU what LibTorch reserved and, beside it, the
  // sums and the state, which are no tensors of LibTorch's.
  std::int64_t most_memory() const;
  void say_what_it_is(Log& log) const;  // sizes, lanes and memory, before the first step

  Config config;
  sharding::Communicator& communicator;
  c10::Device device;  // of this rank
  std::shared_ptr<const datasets::Dataset> train_data;
  std::shared_ptr<const datasets::Dataset> validation_data;  // null without data.val
  std::shared_ptr<const datasets::Dataset> known_data;  // neighbours of an evaluation; null: not asked for
  std::int64_t steps_per_epoch;
  std::int64_t total_steps;
  Schedule schedule;
  models::ParameterSpecs specs;
  std::unique_ptr<const Task> task;
  sharding::BucketPlan plan;
  sharding::Topology topology;
  sharding::ExchangePlan exchange;
  sharding::GradientReducer gradients;
  sharding::LaneState lane_state;
  std::optional<sharding::SampleRows> rows;  // that the task remembers, of train_data's samples
  sharding::ShardedOptimizer optimizer;
  Network student;
  std::optional<Network> average;  // of the weights, where it teaches or evaluate.weights asks for it
  ZeroGradients frozen;
  ImageBuffers images;

 private:
  struct Hooks;
  std::unique_ptr<Hooks> hooks_;
  std::optional<datasets::TrainLoader> loader_;
};

}  // namespace vitrail::trainer
