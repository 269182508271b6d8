// What a network's body makes of images, in evaluation mode: what its head reads, or the pooled outputs of
// its last blocks side by side. Throws: Error(refused) for more blocks than the network has; what the loader
// and the model throw.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/evaluation/evaluate.hpp"

namespace vitrail::trainer {

// Of one lane's images, in their order: image lane + L * i is row i.
struct LaneFeatures {
  std::int64_t lane = 0;
  std::vector<std::int64_t> labels;
  at::Tensor rows;  // [n,D], at least fp32, on the device
};

// [B,3,S,S] -> [B,D]; of the last `blocks` blocks [B, blocks * D]; 0: what the head reads.
at::Tensor features_of(const models::Model& model, const at::Tensor& images, std::int64_t blocks);

// Of all images of this rank's lanes.
std::vector<LaneFeatures> extract_features(const models::Model& model,
                                           const std::shared_ptr<const datasets::Dataset>& dataset,
                                           const EvaluationOptions& options,
                                           const sharding::Communicator& communicator, std::int64_t blocks);

}  // namespace vitrail::trainer
