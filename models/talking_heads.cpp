#include "models/talking_heads.hpp"

#include <cmath>

#include <torch/torch.h>

namespace vitrail::models {
namespace {

// A linear layer over the heads of [B,H,T,T].
at::Tensor mixed(const at::Tensor& maps, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(maps.permute({0, 2, 3, 1}), weight, bias).permute({0, 3, 1, 2});
}

}  // namespace

at::Tensor talking_heads_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const TalkingHeads& mix) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  const at::Tensor logits = at::matmul(q * scale, k.transpose(2, 3));
  const at::Tensor weights = mixed(logits, mix.logits_weight, mix.logits_bias).softmax(-1);
  return at::matmul(mixed(weights, mix.weights_weight, mix.weights_bias), v);
}

}  // namespace vitrail::models
