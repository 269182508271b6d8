// Attention whose logits and probabilities are mixed over heads (Shazeer et al. 2020, as CaiT uses it):
// out = W softmax(L(d^-1/2 q k^T)) v with linear maps L, W over heads. No map [B,H,T,T] is kept or ever made
// whole: the backward pass computes the maps again, block by block of queries. No second derivative.
#pragma once

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct TalkingHeads {
  at::Tensor logits_weight, logits_bias;    // [H,H], [H]: before the softmax
  at::Tensor weights_weight, weights_bias;  // after it
};

// q, k, v [B,H,T,d] in any strides -> [B,H,T,d]. In the type of q: fp32 or fp64 on a CPU (halves are
// widened, see precision.hpp), where the result lies in memory as [B,T,H,d] and has, like all gradients, the
// same bits for any number of threads; fp32, fp16 or bf16 on a GPU. Throws Error(refused) for what it does
// not compute in, Error(crash) for shapes that do not fit.
at::Tensor talking_heads_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const TalkingHeads& mix);

}  // namespace vitrail::models
