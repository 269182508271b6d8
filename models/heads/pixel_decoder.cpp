#include "models/heads/pixel_decoder.hpp"

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/patch_choice.hpp"

namespace vitrail::models {

Logits PixelDecoder::operator()(const Features& features, const Bound& p, const Pass& pass) const {
  const at::Tensor seen = linear(features.tokens, p[embed]);
  const at::Tensor all = filled_up(seen.slice(1, 1), pass.visible, patches, p[mask_token]);
  at::Tensor x = at::cat({seen.slice(1, 0, 1), all}, 1) + p[position];
  for (const Block& block : blocks) {
    const Branch asks = [&](const at::Tensor& z) { return self_attention(z, block.attention, heads, p); };
    x = residual(x, {p[block.attention.norm], p[block.attention.qkv].weight.scalar_type(), {}, asks});
    x = residual(x, mlp(block.mlp, p));
  }
  const at::Tensor hidden = chosen_patches(x.slice(1, 1), other_patches(pass.visible, x.size(0), patches));
  return {linear(models::norm(hidden, p[norm]), p[pixels]), {}};
}

}  // namespace vitrail::models
