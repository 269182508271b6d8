// The layers that the networks here are made of, as functions of tensors and their parameters.
// B images, T tokens, D width, H heads: tokens [B,T,D], heads apart [B,H,T,D/H].
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/layers/bound.hpp"

namespace vitrail::models {

at::Tensor scaled(const at::Tensor& x, const at::Tensor& gamma);  // LayerScale; undefined gamma: none

// A whole branch, norm, two linear layers with GELU between, LayerScale: [B,T,D] -> [B,T,D].
at::Tensor mlp(const at::Tensor& x, const MlpId& layer, const Bound& p);

// [B,T,N*D] -> N tensors [B,H,T,D/H]
std::vector<at::Tensor> split_heads(const at::Tensor& x, std::int64_t parts, std::int64_t heads);
at::Tensor join_heads(const at::Tensor& x);  // [B,H,T,D/H] -> [B,T,D]

// [B,3,S,S] -> [B,G*G,D] by a weight [D,3,P,P]; pixels beyond the last whole patch are left out.
at::Tensor embed_patches(const at::Tensor& images, const Affine& p);

}  // namespace vitrail::models
