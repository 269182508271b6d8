#include "trainer/network.hpp"

#include <ATen/ATen.h>

#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {

Network::Network(const Config& config, const sharding::ExchangePlan& exchange, sharding::LaneState& state,
                 sharding::StateKind kind, const std::vector<bool>& learned,
                 sharding::Communicator& communicator, ComputeDevice& device)
    : model(models::make_model(network_of(config))),
      parameters(state.plan(), model->parameters(), compute_type(config.precision.compute), device.torch()),
      gather(state.plan(), exchange, state.lanes(), communicator, device.memory()),
      state_(state),
      kind_(kind) {
  for (std::size_t p = 0; p < learned.size(); ++p) parameters.tensors()[p].set_requires_grad(learned[p]);
  model->bind(parameters.tensors());
}

void Network::start_publishing() {
  parameters.take(state_, kind_);
  gather.start(parameters.buckets());
}

void Network::publish() {
  start_publishing();
  gather.finish();
}

void Network::wait_for(int block) {
  for (const std::size_t bucket : parameters.buckets_of_block(block)) gather.compute_after(bucket);
}

}  // namespace vitrail::trainer
