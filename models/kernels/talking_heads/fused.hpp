// Talking-heads attention as a whole on tensor cores (sm_80 and later), in halves with sums in fp32: a kernel
// forward, two backward. Maps of queries and keys live in registers and, 16 x 16 of all heads at a time, in
// shared memory, never in the GPU's. Nothing is summed atomically. All is put on a stream; the caller asks
// CUDA for launch errors. Shapes: B images, H heads of at most 16, T tokens, d numbers of a head.
#pragma once

#include <cstdint>

#include "models/kernels/stored_type.hpp"
#include "models/kernels/talking_heads/talking_heads_cuda_kernels.hpp"

namespace vitrail::models::cuda {

constexpr int kSide = 16;      // of a tile of queries and keys
constexpr int kMostSteps = 3;  // d is a multiple of kSide, at most so many
constexpr int kMixingSums = 2 * kMaxHeads * kMaxHeads + kMaxHeads;  // gradients of mixing, of kMaxHeads each

// [B,H,T,d] of halves, d contiguous, the others multiples of two, and 2^31 of an image at most.
struct HeadRows {
  void* first;
  std::int64_t image, head, token;  // elements from one to the next
};

struct TalkingShape {
  StoredType type;  // fp16 or bf16
  std::int64_t images, tokens, width;
  float scale;  // of the logits

  std::int64_t blocks() const { return images * ((tokens + kSide - 1) / kSide); }
};

struct TalkingInputs {
  HeadRows q, k, v;
};

// Whether this thread's GPU has what they need.
bool fused_runs_here();

// row_stats [B,T,2,H] as in talking_heads_cuda_kernels.hpp.
void launch_fused_forward(const HeadMixing& mixing, const TalkingShape& shape, const TalkingInputs& from,
                          const HeadRows& out, float* row_stats, CUstream_st* stream);

// means [B,T,H]: scratch; shares [blocks,kMixingSums]: of logits_weight, weights_weight, weights_bias.
void launch_fused_backward(const HeadMixing& mixing, const TalkingShape& shape, const TalkingInputs& from,
                           const HeadRows& out_gradient, const float* row_stats, float* means,
                           const TalkingInputs& gradients, float* shares, CUstream_st* stream);

}  // namespace vitrail::models::cuda
