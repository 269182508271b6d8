#include "models/layers/layers.hpp"

#include <ATen/ATen.h>

namespace vitrail::models {

using at::Tensor;

Tensor scaled(const Tensor& x, const Tensor& gamma) { return gamma.defined() ? x * gamma : x; }

Tensor mlp(const Tensor& x, const MlpId& layer, const Bound& p) {
  const Tensor hidden = at::gelu(linear(norm(x, p[layer.norm]), p[layer.fc1]));
  return scaled(linear(hidden, p[layer.fc2]), p[layer.scale]);
}

std::vector<Tensor> split_heads(const Tensor& x, std::int64_t parts, std::int64_t heads) {
  const std::int64_t channels = x.size(2) / parts / heads;
  return x.view({x.size(0), x.size(1), parts, heads, channels}).permute({2, 0, 3, 1, 4}).unbind(0);
}

Tensor join_heads(const Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// Patches are cut out and multiplied, not convolved: a matrix product's weight gradient has the same bits for
// any number of threads, a convolution's has not.
Tensor embed_patches(const Tensor& images, const Affine& p) {
  const std::int64_t count = images.size(0), patch = p.weight.size(2), grid = images.size(2) / patch;
  const Tensor patches = images.narrow(2, 0, grid * patch)
                             .narrow(3, 0, grid * patch)
                             .reshape({count, 3, grid, patch, grid, patch})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({count, grid * grid, 3 * patch * patch});
  return linear(patches, {p.weight.flatten(1), p.bias, p.as_on_gpu});
}

}  // namespace vitrail::models
