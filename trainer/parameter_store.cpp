#include "trainer/parameter_store.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {

ParameterStore::ParameterStore(const sharding::BucketPlan& plan,
                               const std::vector<models::ParameterSpec>& specs, DataType compute_type,
                               c10::Device device)
    : plan_(plan), type_(compute_type), device_(device) {
  for (const sharding::Bucket& bucket : plan.buckets) {
    const DataType type = bucket.matrices ? compute_type : sum_type(compute_type);
    buckets_.push_back(
        at::zeros({bucket.slice * plan.lanes}, at::TensorOptions(tensor_type(type)).device(device)));
    views_.push_back({static_cast<std::byte*>(buckets_.back().data_ptr()), type});
  }
  for (const auto& spec : specs)
    of_block_.resize(std::max(of_block_.size(), static_cast<std::size_t>(spec.block) + 1));
  for (std::size_t p = 0; p < specs.size(); ++p) {
    auto& of_block = of_block_[static_cast<std::size_t>(specs[p].block)];
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
  const auto options = at::TensorOptions(tensor_type(state.type())).device(device_);
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    sharding::Buffer& masters = state.slices(kind, b);
    buckets_[b]
        .narrow(0, state.lanes().begin * plan_.buckets[b].slice, masters.elements())
        .copy_(at::from_blob(masters.data(), {masters.elements()}, options));
  }
}

at::Tensor ParameterStore::on_host(std::size_t bucket) const { return buckets_[bucket].to(at::kCPU); }

}  // namespace vitrail::trainer
