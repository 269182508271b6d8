// Batch norm: in training by the statistics of the batch, which the pass is told; in evaluation, and where
// the pass says so, by the running ones. Maps [B,C,N,N], tokens [B,T,C]. Throws: Error(refused) where a
// channel has one value only.
#pragma once

#include <cstdint>
#include <functional>

#include "models/layers/bound.hpp"
#include "models/layers/stochastic_depth.hpp"
#include "models/model.hpp"

namespace vitrail::models {

struct NormTail {  // of what is behind the norm
  at::Tensor added = {};
  bool rectified = false;
};

at::Tensor batch_norm(const at::Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass,
                      const NormTail& tail = {});  // [B,C,...]
at::Tensor token_batch_norm(const at::Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass);

// relu(sum + branch), of a branch whose last layer is a batch norm: it is computed for all images, and takes
// the sum and the rectifier with it where none is dropped.
at::Tensor add_rectified(const StochasticDepth& depth, const at::Tensor& sum, int index,
                         const std::function<at::Tensor(const NormTail&)>& branch);

// Without bias, then batch norm.
at::Tensor normed_convolution(const at::Tensor& x, const NormedWeightId& layer, std::int64_t stride,
                              std::int64_t groups, const Bound& p, const Pass& pass,
                              const NormTail& tail = {});
at::Tensor normed_linear(const at::Tensor& x, const NormedWeightId& layer, const Bound& p, const Pass& pass);

}  // namespace vitrail::models
