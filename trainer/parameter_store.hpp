// The weights that the model computes with: flat buckets, matrices in the compute type and the rest in at
// least fp32, and one leaf tensor per parameter that looks into them. Every rank holds all of them; the lane
// state holds the master copies. Shapes: as the model's specs. Throws: std::bad_alloc.
#pragma once

#include <vector>

#include <c10/core/Device.h>

#include "models/model.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/state/lane_state.hpp"
#include "sharding/state/parameter_gather.hpp"

namespace vitrail::trainer {

class ParameterStore {
 public:
  ParameterStore(const sharding::BucketPlan& plan, const std::vector<models::ParameterSpec>& specs,
                 DataType compute_type, c10::Device device = c10::kCPU);
  ~ParameterStore();

  const std::vector<at::Tensor>& tensors() const;  // in the order of the specs, requires_grad

  // Copies, rounded to nearest, the masters of the state's lanes, or their average, into the buckets; the
  // other lanes' slices come by ParameterGather.
  void take(sharding::LaneState& state, sharding::StateKind kind = sharding::StateKind::weight);
  const std::vector<sharding::BucketData>& buckets() const { return views_; }
  at::Tensor on_host(std::size_t bucket) const;  // itself, or a copy of a GPU's
  // The buckets that hold what Pass::before_block announces.
  const std::vector<std::size_t>& buckets_of_block(int block) const {
    return of_block_.at(static_cast<std::size_t>(block));
  }
  DataType compute_type() const { return type_; }
  c10::Device device() const { return device_; }

 private:
  const sharding::BucketPlan& plan_;
  DataType type_;
  c10::Device device_;
  std::vector<sharding::BucketData> views_;
  std::vector<std::vector<std::size_t>> of_block_;
  std::vector<at::Tensor> buckets_;
  std::vector<at::Tensor> tensors_;
};

}  // namespace vitrail::trainer
