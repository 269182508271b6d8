// The passes of branch_rows.hpp without autograd, and which of them a device runs.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct NormedRows {
  at::Tensor normed;      // [R,T,D]
  at::Tensor gathered;    // [R,T,D] as they were; all rows: x itself
  at::Tensor mean, rstd;  // [R,T] or [R,T,1]
};

struct NormGradients {
  at::Tensor gain, bias;
};

struct AddGradients {
  at::Tensor y, gamma;
};

struct BranchRowsPasses {
  NormedRows (*norm)(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& gain,
                     const at::Tensor& bias, at::ScalarType type);
  // Adds x's own to x_gradient [B,T,D], contiguous.
  NormGradients (*norm_backward)(const at::Tensor& gradient, const NormedRows& kept, const at::Tensor& rows,
                                 const at::Tensor& gain, const at::Tensor& bias, at::Tensor& x_gradient);
  at::Tensor (*add)(const at::Tensor& sum, const at::Tensor& y, const at::Tensor& gamma,
                    const at::Tensor& rows, double scale);
  // y of that type; undefined, too, without gamma.
  AddGradients (*add_backward)(const at::Tensor& gradient, const at::Tensor& y, at::ScalarType type,
                               const at::Tensor& gamma, const at::Tensor& rows, double scale);
};

// By LibTorch's operators, on any device.
NormedRows norm_of_rows_aten(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& gain,
                             const at::Tensor& bias, at::ScalarType type);
NormGradients norm_of_rows_backward_aten(const at::Tensor& gradient, const NormedRows& kept,
                                         const at::Tensor& rows, const at::Tensor& gain,
                                         const at::Tensor& bias, at::Tensor& x_gradient);
at::Tensor add_to_rows_aten(const at::Tensor& sum, const at::Tensor& y, const at::Tensor& gamma,
                            const at::Tensor& rows, double scale);
AddGradients add_to_rows_backward_aten(const at::Tensor& gradient, const at::Tensor& y, at::ScalarType type,
                                       const at::Tensor& gamma, const at::Tensor& rows, double scale);

// By kernels for CPUs, where all is of one type, fp32 or fp64, and the width is that of the last dimension.
NormedRows norm_of_rows_cpu(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& gain,
                            const at::Tensor& bias, at::ScalarType type);
NormGradients norm_of_rows_backward_cpu(const at::Tensor& gradient, const NormedRows& kept,
                                        const at::Tensor& rows, const at::Tensor& gain,
                                        const at::Tensor& bias, at::Tensor& x_gradient);
at::Tensor add_to_rows_cpu(const at::Tensor& sum, const at::Tensor& y, const at::Tensor& gamma,
                           const at::Tensor& rows, double scale);
AddGradients add_to_rows_backward_cpu(const at::Tensor& gradient, const at::Tensor& y, at::ScalarType type,
                                      const at::Tensor& gamma, const at::Tensor& rows, double scale);

// By kernels for GPUs. Throw Error(refused) in a build without CUDA.
NormedRows norm_of_rows_cuda(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& gain,
                             const at::Tensor& bias, at::ScalarType type);
NormGradients norm_of_rows_backward_cuda(const at::Tensor& gradient, const NormedRows& kept,
                                         const at::Tensor& rows, const at::Tensor& gain,
                                         const at::Tensor& bias, at::Tensor& x_gradient);
at::Tensor add_to_rows_cuda(const at::Tensor& sum, const at::Tensor& y, const at::Tensor& gamma,
                            const at::Tensor& rows, double scale);
AddGradients add_to_rows_backward_cuda(const at::Tensor& gradient, const at::Tensor& y, at::ScalarType type,
                                       const at::Tensor& gamma, const at::Tensor& rows, double scale);

}  // namespace vitrail::models
