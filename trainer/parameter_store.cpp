#include "trainer/parameter_store.hpp"

#include <cstring>

#include <torch/torch.h>

#include "trainer/tensor_type.hpp"

namespace vitrail::trainer {

ParameterStore::ParameterStore(const sharding::BucketPlan& plan,
                               const std::vector<models::ParameterSpec>& specs, DataType type)
    : plan_(plan), type_(type) {
  for (const sharding::Bucket& bucket : plan.buckets) {
    buckets_.push_back(at::zeros({bucket.slice * plan.lanes}, tensor_type(type)));
  }
  for (std::size_t p = 0; p < specs.size(); ++p) {
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
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    sharding::Buffer& masters = state.slices(kind, b);
    std::byte* bucket = static_cast<std::byte*>(buckets_[b].data_ptr());
    const std::int64_t first = state.lanes().begin * plan_.buckets[b].slice;
    std::memcpy(bucket + static_cast<std::size_t>(first) * size_of(type_), masters.data(),
                static_cast<std::size_t>(masters.elements()) * size_of(type_));
  }
}

std::vector<std::byte*> ParameterStore::bucket_addresses() const {
  std::vector<std::byte*> addresses;
  for (const at::Tensor& bucket : buckets_) addresses.push_back(static_cast<std::byte*>(bucket.data_ptr()));
  return addresses;
}

}  // namespace vitrail::trainer
