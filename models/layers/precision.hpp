// What is computed in which type, for every model, so that a network is written once. On a CPU half is
// storage: operands are widened, the product runs in fp32 and its result is rounded, forward and backward.
// Throws: c10::Error for shapes that do not fit.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

// Half is fp16 or bf16; in an fp32 or fp64 run all rows are of that type.
//   matrices, the inputs and outputs of their products, GELU, attention      half
//   sums inside a product, softmax and its statistics                         fp32
//   biases, norms, LayerScale, tokens, positions, sums of branches, loss      fp32
// A product takes its type from its weight, a norm from its gain; half and fp32 added or multiplied give
// fp32.

struct Affine {  // of a linear layer or a norm
  at::Tensor weight, bias;
  bool as_on_gpu = false;  // computed so on a CPU, too: for tests
};

inline constexpr double kNormEpsilon = 1e-6;
at::Tensor norm(const at::Tensor& x, const Affine& p);    // LayerNorm
at::Tensor linear(const at::Tensor& x, const Affine& p);  // the bias may be undefined, as a convolution's
// of two tensors that the network computed, of one type
at::Tensor product(const at::Tensor& a, const at::Tensor& b);
// softmax(q k' / sqrt(d)) v of [B,H,T,d], B = 0 included
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool as_on_gpu = false);
// [B,H,Q,d], [B,H,T,d] -> softmax(q k' / sqrt(d)) [B,H,Q,T], at least fp32: to look at
at::Tensor attention_weights(const at::Tensor& q, const at::Tensor& k);
at::Tensor convolution(const at::Tensor& x, const Affine& p, std::int64_t stride, std::int64_t padding,
                       std::int64_t groups);
at::Tensor widened(const at::Tensor& x);  // half -> fp32, others as they are

}  // namespace vitrail::models
