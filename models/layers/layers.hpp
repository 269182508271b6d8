// The layers that the networks here are made of, as functions of tensors and their parameters.
// B images, T tokens, D width, H heads: tokens [B,T,D], heads apart [B,H,T,D/H].
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/parameter_spec.hpp"
#include "models/layers/precision.hpp"
#include "models/families/transformer_config.hpp"

namespace vitrail::models {

at::Tensor scaled(const at::Tensor& x, const at::Tensor& gamma);  // LayerScale; undefined gamma: none

struct Mlp {  // a whole branch: norm, two linear layers with GELU between, LayerScale
  Affine norm, fc1, fc2;
  at::Tensor scale;

  at::Tensor operator()(const at::Tensor& x) const;  // [B,T,D] -> [B,T,D]
};

// [B,T,N*D] -> N tensors [B,H,T,D/H]
std::vector<at::Tensor> split_heads(const at::Tensor& x, std::int64_t parts, std::int64_t heads);
at::Tensor join_heads(const at::Tensor& x);  // [B,H,T,D/H] -> [B,T,D]

// [B,3,S,S] -> [B,G*G,D] by a weight [D,3,P,P]; pixels beyond the last whole patch are left out.
at::Tensor embed_patches(const at::Tensor& images, const Affine& p, const TransformerConfig& config);

// Throws Error(refused) with both shapes unless the images are [B,3,image_size,image_size].
void check_images(const at::Tensor& images, const std::string& model, std::int64_t image_size);

// Parameters by name. Throws Error(crash) where tensors do not fit their specs.
class NamedTensors {
 public:
  NamedTensors(const std::string& model, const ParameterSpecs& specs, const std::vector<at::Tensor>& tensors);

  const at::Tensor& operator[](const std::string& name) const { return tensors_.at(name); }
  at::Tensor find(const std::string& name) const;  // undefined where the model has no such parameter
  Affine affine(const std::string& name) const;    // name.weight, name.bias

 private:
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace vitrail::models
