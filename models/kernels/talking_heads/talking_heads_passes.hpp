// The two passes of talking-heads attention, without autograd, and which of them a device runs. Shapes are
// checked by talking_heads_attention; the innermost dimension of q, k, v and out's gradient is contiguous.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/kernels/talking_heads/talking_heads.hpp"

namespace vitrail::models {

struct TalkingHeadsForward {
  at::Tensor out;        // [B,H,T,d]
  at::Tensor row_stats;  // [B,T,2,H]: what the softmax of a query needs to be computed again
};

struct TalkingHeadsGradients {
  at::Tensor q, k, v;
  TalkingHeads mix;
};

// Both passes of one device: what autograd calls.
struct TalkingHeadsPasses {
  TalkingHeadsForward (*forward)(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 const TalkingHeads& mix);
  TalkingHeadsGradients (*backward)(const at::Tensor& out_gradient, const at::Tensor& q, const at::Tensor& k,
                                    const at::Tensor& v, const TalkingHeads& mix,
                                    const at::Tensor& row_stats);
  bool take_halves = false;  // else they are widened before
};

TalkingHeadsPasses passes_on(at::DeviceType device);

// talking_heads_attention by these passes, wherever the tensors lie: tests run one device's passes on
// another.
at::Tensor talking_heads_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const TalkingHeads& mix, const TalkingHeadsPasses& passes);

// On CPUs: fp32 or fp64.
TalkingHeadsForward talking_heads_forward_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                              const TalkingHeads& mix);
TalkingHeadsGradients talking_heads_backward_cpu(const at::Tensor& out_gradient, const at::Tensor& q,
                                                 const at::Tensor& k, const at::Tensor& v,
                                                 const TalkingHeads& mix, const at::Tensor& row_stats);

// On GPUs: fp32, fp16 or bf16 with a mixing in fp32, up to 16 heads; fp32 inside the maps' kernels. Throws
// Error(refused) in a build without CUDA.
TalkingHeadsForward talking_heads_forward_cuda(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                               const TalkingHeads& mix);
TalkingHeadsGradients talking_heads_backward_cuda(const at::Tensor& out_gradient, const at::Tensor& q,
                                                  const at::Tensor& k, const at::Tensor& v,
                                                  const TalkingHeads& mix, const at::Tensor& row_stats);

}  // namespace vitrail::models
