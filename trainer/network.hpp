// A set of weights to compute with: a model, every rank's copy of one kind of the sharded state, and the way
// it comes there. A run has one that learns, and one of the average where that teaches or is evaluated.
#pragma once

#include <memory>
#include <vector>

#include "models/model.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/parameter_store.hpp"

namespace vitrail::trainer {

class Network {
 public:
  // `learned`: by parameter, whether backward gives it a gradient. `state` is what take() will be given.
  Network(const Config& config, const sharding::ExchangePlan& exchange, sharding::LaneState& state,
          sharding::StateKind kind, const std::vector<bool>& learned, sharding::Communicator& communicator,
          ComputeDevice& device);

  // What the state holds now, on its way to all ranks while a forward pass begins; or all of it, at once.
  void start_publishing();
  void publish();
  void wait_for(int block);  // what Pass::before_block announces has come

  std::unique_ptr<models::Model> model;
  ParameterStore parameters;
  sharding::ParameterGather gather;

 private:
  sharding::LaneState& state_;
  const sharding::StateKind kind_;
};

}  // namespace vitrail::trainer
