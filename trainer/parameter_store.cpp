#include "trainer/parameter_store.hpp"

#include <algorithm>

#include <torch/torch.h>

#include "trainer/param_groups.hpp"
#include "trainer/tensor_type.hpp"

namespace vitrail::trainer {

ParameterStore::ParameterStore(const sharding::BucketPlan& plan,
                               const std::vector<models::ParameterSpec>& specs, DataType compute_type,
                               c10::Device device)
    : plan_(plan), type_(compute_type), device_(device), stale_(plan.buckets.size(), 1) {
  for (const sharding::Bucket& bucket : plan.buckets) {
    const DataType type = bucket.matrices ? compute_type : sum_type(compute_type);
    const at::Tensor on_host = at::zeros({bucket.slice * plan.lanes}, tensor_type(type));
    on_host_.push_back(device.is_cpu() ? on_host : on_host.pin_memory());
    buckets_.push_back(on_host_.back().to(device));
    views_.push_back({static_cast<std::byte*>(on_host_.back().data_ptr()), type});
  }
  const std::vector<int> blocks = blocks_of_forward(specs);
  of_block_.resize(static_cast<std::size_t>(*std::ranges::max_element(blocks)) + 1);
  for (std::size_t p = 0; p < specs.size(); ++p) {
    auto& of_block = of_block_[static_cast<std::size_t>(blocks[p])];
    if (std::ranges::find(of_block, plan.locations[p].bucket) == of_block.end()) {
      of_block.push_back(plan.locations[p].bucket);
    }
    const sharding::Location& location = plan.locations[p];
    // variable_data: a view that shares no version counter with the bucket, so that writing one part of a
    // bucket does not invalidate what backward saved of another.
    at::Tensor view =
        buckets_[location.bucket].narrow(0, location.begin, specs[p].elements()).variable_data();
    tensors_.push_back(view.view(specs[p].shape).variable_data().set_requires_grad(true));
  }
}

ParameterStore::~ParameterStore() = default;

const std::vector<at::Tensor>& ParameterStore::tensors() const { return tensors_; }

void ParameterStore::take(sharding::LaneState& state, sharding::StateKind kind) {
  const at::NoGradGuard no_grad;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    sharding::Buffer& masters = state.slices(kind, b);
    on_host_[b]
        .narrow(0, state.lanes().begin * plan_.buckets[b].slice, masters.elements())
        .copy_(at::from_blob(masters.data(), {masters.elements()}, tensor_type(state.type())));
    stale_[b] = 1;
  }
}

// Ordered before what this thread computes next. The host's copy is written again only after the step's loss
// was read, and so after the copying.
void ParameterStore::upload(std::size_t bucket) {
  if (device_.is_cpu() || stale_[bucket] == 0) return;
  const at::NoGradGuard no_grad;
  buckets_[bucket].copy_(on_host_[bucket], /*non_blocking=*/true);
  stale_[bucket] = 0;
}

void ParameterStore::upload_all() {
  for (std::size_t b = 0; b < buckets_.size(); ++b) upload(b);
}

}  // namespace vitrail::trainer
