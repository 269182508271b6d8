// A convolution without bias, then batch norm: in training by the statistics of the lane's batch, which the
// pass is told; in evaluation by the running ones. Maps [B,C,N,N]. Throws: Error(refused) where a channel has
// one value only.
#pragma once

#include <cstdint>

#include "models/layers/bound.hpp"
#include "models/model.hpp"

namespace vitrail::models {

at::Tensor normed_convolution(const at::Tensor& x, const NormedConvolutionId& layer, std::int64_t stride,
                              std::int64_t groups, const Bound& p, const Pass& pass);

}  // namespace vitrail::models
