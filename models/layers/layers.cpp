#include "models/layers/layers.hpp"

#include <ATen/ATen.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {

using at::Tensor;

Tensor scaled(const Tensor& x, const Tensor& gamma) { return gamma.defined() ? x * gamma : x; }

Tensor Mlp::operator()(const Tensor& x) const {
  return scaled(linear(at::gelu(linear(models::norm(x, norm), fc1)), fc2), scale);
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
Tensor embed_patches(const Tensor& images, const Affine& p, const TransformerConfig& config) {
  const std::int64_t count = images.size(0), grid = config.grid(), patch = config.patch;
  const Tensor patches = images.narrow(2, 0, grid * patch)
                             .narrow(3, 0, grid * patch)
                             .reshape({count, 3, grid, patch, grid, patch})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({count, grid * grid, 3 * patch * patch});
  return linear(patches, {p.weight.flatten(1), p.bias});
}

void check_images(const Tensor& images, const std::string& model, std::int64_t image_size) {
  if (images.dim() == 4 && images.sizes().slice(1) == at::IntArrayRef({3, image_size, image_size})) return;
  throw Error(
      ExitCode::refused,
      fmt::format("{} takes images of shape [B, 3, {}, {}], got {}: set model.image_size to their size",
                  model, image_size, image_size, format_shape(images.sizes().vec())));
}

NamedTensors::NamedTensors(const std::string& model, const ParameterSpecs& specs,
                           const std::vector<Tensor>& tensors) {
  if (tensors.size() != specs.size()) {
    throw Error(ExitCode::crash,
                fmt::format("{}: {} tensors bound to {} parameters", model, tensors.size(), specs.size()));
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (tensors[i].sizes() != at::IntArrayRef(specs[i].shape)) {
      throw Error(ExitCode::crash,
                  fmt::format("{}: parameter {} is {}, the tensor bound to it {}", model, specs[i].name,
                              format_shape(specs[i].shape), format_shape(tensors[i].sizes().vec())));
    }
    tensors_.emplace(specs[i].name, tensors[i]);
  }
}

Tensor NamedTensors::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? Tensor() : found->second;
}

Affine NamedTensors::affine(const std::string& name) const {
  return {tensors_.at(name + ".weight"), tensors_.at(name + ".bias")};
}

}  // namespace vitrail::models
