// The two ends of a residual branch, sum + scale * gamma * f(norm(x)[rows]), as functions of autograd's that
// touch only those rows and put what comes back from the branch straight into the gradient that comes past
// it: on GPUs a kernel forward and two backward each. x, sum [B,T,D] fp32 or fp64; rows [R] int64 where x
// lies, ascending, none twice, or undefined: all B. R = 0 included.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/layers/precision.hpp"

namespace vitrail::models {

struct BranchInput {
  at::Tensor rows;     // [R,T,D]
  at::Tensor passing;  // x; what is computed from it gives x its gradient in place
};

// `type`: of the normed rows, as the layer behind wants them.
BranchInput norm_of_rows(const at::Tensor& x, const at::Tensor& rows, const Affine& p, at::ScalarType type);

// The rows as they are; x [B, ...].
BranchInput rows_of(const at::Tensor& x, const at::Tensor& rows);

// y [R,T,D], gamma [D] or undefined.
at::Tensor add_to_rows(const at::Tensor& sum, const at::Tensor& y, const at::Tensor& gamma,
                       const at::Tensor& rows, double scale, bool as_on_gpu = false);

}  // namespace vitrail::models
