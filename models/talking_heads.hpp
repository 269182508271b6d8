// Attention whose heads are mixed by one matrix before the softmax and by another after it (Shazeer et al.
// 2020). q, k, v [B,H,T,d] -> [B,H,T,d]; q is scaled by d^-1/2 in here.
#pragma once

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct TalkingHeads {
  at::Tensor logits_weight, logits_bias;    // [H,H], [H]: before the softmax
  at::Tensor weights_weight, weights_bias;  // after it
};

at::Tensor talking_heads_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const TalkingHeads& mix);

}  // namespace vitrail::models
