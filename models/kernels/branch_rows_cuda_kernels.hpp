// The two ends of a residual branch on a GPU (branch_rows.hpp): a kernel each forward; backward one each, and
// one that adds up what blocks of tokens give their parameters. Rows of D numbers, a multiple of 4; sums over
// rows and columns in fp32 and in one order, nothing atomic. All is put on a stream; the caller asks CUDA for
// launch errors.
#pragma once

#include <cstdint>

#include "models/kernels/stored_type.hpp"

struct CUstream_st;

namespace vitrail::models::cuda {

constexpr std::int64_t kLargestWidth = 2048;
constexpr std::int64_t kTokensOfBlock = 16;  // whose shares of a parameter's gradient are added in one go

struct BranchRows {
  std::int64_t images, kept;  // B, R
  std::int64_t tokens, width;
  bool chosen;               // or all of them, R = B
  const std::int64_t* rows;  // [R], of those chosen
  StoredType type;           // of what the branch computes with

  std::int64_t blocks() const { return (kept * tokens + kTokensOfBlock - 1) / kTokensOfBlock; }
};

struct NormOfRows {
  const float *gain, *bias;  // [D]
  float *mean, *rstd;        // [R,T]
};

// x [B,T,D] -> y [R,T,D] normed and, unless gathered is null, its rows as they are.
void launch_norm_of_rows(const BranchRows& shape, const NormOfRows& norm, const float* x, float epsilon,
                         void* y, float* gathered, CUstream_st* stream);

// gradient of y; rows [R,T,D] as they were: x_gradient [B,T,D] has its share added; shares [blocks,2,D] of
// the gradients of gain and bias.
void launch_norm_of_rows_backward(const BranchRows& shape, const NormOfRows& norm, const void* gradient,
                                  const float* gathered, float* x_gradient, float* shares,
                                  CUstream_st* stream);

// out [B,T,D] = sum, plus scale * gamma * y on the rows; gamma [D] or null.
void launch_add_to_rows(const BranchRows& shape, const float* sum, const void* y, const float* gamma,
                        float scale, float* out, CUstream_st* stream);

// gradient [B,T,D] of out -> y_gradient [R,T,D]; with gamma also shares [blocks,D] of its gradient.
void launch_add_to_rows_backward(const BranchRows& shape, const float* gradient, const void* y,
                                 const float* gamma, float scale, void* y_gradient, float* shares,
                                 CUstream_st* stream);

// shares [blocks,columns] -> their sums [columns].
void launch_sum_of_shares(const float* shares, std::int64_t blocks, std::int64_t columns, float* sums,
                          CUstream_st* stream);

}  // namespace vitrail::models::cuda
