// The layers that the networks here are made of, as functions of tensors and their parameters.
// B images, T tokens, D width, H heads: tokens [B,T,D], heads apart [B,H,T,D/H].
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/features.hpp"
#include "models/layers/bound.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/stochastic_depth.hpp"

namespace vitrail::models {

// Rows [...,D] brought to length 1, with at least fp32 sums; what is 0 stays.
at::Tensor over_length(const at::Tensor& x);

at::Tensor scaled(const at::Tensor& x, const at::Tensor& gamma);  // LayerScale; undefined gamma: none

at::Tensor gelu_of_linear(const at::Tensor& x, const Affine& p);
at::Tensor gelu_of_map(const at::Tensor& map);  // [B,C,N,N]

// Two linear layers with GELU between; dropout behind both.
at::Tensor two_layers(const at::Tensor& x, const AffineId& first, const AffineId& second, const Bound& p,
                      const Dropout& dropout = {});

// Norm, two linear layers with GELU between, LayerScale. p outlives it.
NormedBranch mlp(const MlpId& layer, const Bound& p, const Dropout& dropout = {});

// [B,T,N*D] -> N tensors [B,H,T,D/H]
std::vector<at::Tensor> split_heads(const at::Tensor& x, std::int64_t parts, std::int64_t heads);
at::Tensor join_heads(const at::Tensor& x);  // [B,H,T,D/H] -> [B,T,D]

// [B,T,D] -> [B,count,D]; x itself where these are all.
at::Tensor first_tokens(const at::Tensor& x, std::int64_t count);

// Tokens [B,T,D], normed: the first `asking` of them ask all, [B,asking,D]. qkv [3*D,D].
at::Tensor self_attention(const at::Tensor& normed, std::int64_t asking, const Affine& qkv,
                          const Affine& proj, std::int64_t heads);
at::Tensor self_attention(const at::Tensor& normed, const SelfAttentionId& layer, std::int64_t heads,
                          const Bound& p);  // all

// Tokens [B,Q,D] ask tokens [B,T,D], both normed: [B,Q,D].
at::Tensor class_attention(const at::Tensor& asking, const at::Tensor& answering,
                           const ClassAttentionId& layer, std::int64_t heads, const Bound& p);

// The same with norm, residual sums and MLP, of tokens that ask patches [B,T,D].
at::Tensor class_block(const at::Tensor& asking, const at::Tensor& patches, const ClassBlockId& block,
                       std::int64_t heads, const Bound& p);

// With what weights they attend: [B,H,Q,T].
at::Tensor class_attention_weights(const at::Tensor& asking, const at::Tensor& answering,
                                   const ClassAttentionId& layer, std::int64_t heads, const Bound& p);
at::Tensor class_block_weights(const at::Tensor& asking, const at::Tensor& patches, const ClassBlockId& block,
                               std::int64_t heads, const Bound& p);

// Of weights [B,H,1,T] heads' maps, of [B,1,K,T] classes'; the last side * side tokens of T are patches.
AttentionMaps attention_maps(const at::Tensor& weights, std::int64_t side, std::int64_t cell);

// [B,C,S,S] -> [B,C,G,P,G,P]; pixels beyond the last whole patch are left out.
at::Tensor cut_into_patches(const at::Tensor& images, std::int64_t patch);
// [B,C,S,S] -> [B,G*G,D] by a weight [D,C,P,P]
at::Tensor embed_patches(const at::Tensor& images, const Affine& p);

at::Tensor tokens_of(const at::Tensor& map);                     // [B,D,N,N] -> [B,N*N,D]
at::Tensor map_of(const at::Tensor& tokens, std::int64_t side);  // [B,N*N,D] -> [B,D,N,N], channels last

}  // namespace vitrail::models
