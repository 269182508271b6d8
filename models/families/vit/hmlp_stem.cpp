#include "models/families/vit/hmlp_stem.hpp"

#include <ATen/ATen.h>

#include "models/layers/batch_norm.hpp"
#include "models/layers/layers.hpp"

namespace vitrail::models {

at::Tensor hmlp_stem(const at::Tensor& images, const HmlpStemId& stem, const Bound& p, const Pass& pass) {
  at::Tensor map = images, tokens;
  for (std::size_t i = 0; i < stem.size(); ++i) {
    if (i > 0) map = map_of(at::gelu(tokens), map.size(2) / p[stem[i - 1].patches.weight].size(2));
    tokens = token_batch_norm(embed_patches(map, p[stem[i].patches]), stem[i].norm, p, pass);
  }
  return tokens;
}

}  // namespace vitrail::models
