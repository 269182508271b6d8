// Batch norm: in training by the statistics of the batch, which the pass is told; in evaluation, and where
// the pass says so, by the running ones. Maps [B,C,N,N], tokens [B,T,C]. Throws: Error(refused) where a
// channel has one value only.
#pragma once

#include <cstdint>

#include "models/layers/bound.hpp"
#include "models/model.hpp"

namespace vitrail::models {

at::Tensor batch_norm(const at::Tensor& x, const BatchNormId& layer, const Bound& p,
                      const Pass& pass);  // [B,C,...]
at::Tensor token_batch_norm(const at::Tensor& x, const BatchNormId& layer, const Bound& p, const Pass& pass);

// Without bias, then batch norm.
at::Tensor normed_convolution(const at::Tensor& x, const NormedWeightId& layer, std::int64_t stride,
                              std::int64_t groups, const Bound& p, const Pass& pass);
at::Tensor normed_linear(const at::Tensor& x, const NormedWeightId& layer, const Bound& p, const Pass& pass);

}  // namespace vitrail::models
