#include "models/layers/layers.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/rows/rows.hpp"

namespace vitrail::models {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor over_length(const Tensor& x) {
  constexpr double kSmallest = 1e-12;
  const Tensor wide = widened(x);
  return (wide / wide.norm(2, {-1}, true).clamp_min(kSmallest)).to(x.scalar_type());
}

Tensor scaled(const Tensor& x, const Tensor& gamma) { return gamma.defined() ? x * gamma : x; }

// The bias joins in the pass of GELU, not before: one less over all numbers, forward and backward.
Tensor gelu_of_linear(const Tensor& x, const Affine& p) {
  const bool is_own = p.weight.is_cpu() && p.weight.scalar_type() == at::kFloat && !p.as_on_gpu;
  return is_own ? biased_gelu(linear(x, {p.weight, {}}), p.bias) : at::gelu(linear(x, p));
}

Tensor gelu_of_map(const Tensor& map) {
  return map.is_cpu() ? biased_gelu(map.permute({0, 2, 3, 1}), {}).permute({0, 3, 1, 2}) : at::gelu(map);
}

Tensor two_layers(const Tensor& x, const AffineId& first, const AffineId& second, const Bound& p,
                  const Dropout& dropout) {
  return dropout(linear(dropout(gelu_of_linear(x, p[first])), p[second]), 1);
}

NormedBranch mlp(const MlpId& layer, const Bound& p, const Dropout& dropout) {
  return {p[layer.norm], p[layer.fc1].weight.scalar_type(), p[layer.scale],
          [p, dropout, first = layer.fc1, second = layer.fc2](const Tensor& z) {
            return two_layers(z, first, second, p, dropout);
          }};
}

namespace {

// [B,T,N*D] -> N times [B,H,T,D/H]. Backward, gradients that lie in one tensor as the parts do are that
// tensor; others are put into one by a single copy.
class SplitHeads : public torch::autograd::Function<SplitHeads> {
 public:
  static variable_list forward(AutogradContext*, const Tensor& x, std::int64_t parts, std::int64_t heads) {
    const std::int64_t channels = x.size(2) / parts / heads;
    return x.view({x.size(0), x.size(1), parts, heads, channels}).permute({2, 0, 3, 1, 4}).unbind(0);
  }

  static variable_list backward(AutogradContext*, const variable_list& gradients) {
    const Tensor& first = gradients.front();
    const auto parts = static_cast<std::int64_t>(gradients.size());
    const std::int64_t width = first.size(1) * first.size(3);
    if (lie_together(gradients, width)) {
      return {first.as_strided({first.size(0), first.size(2), parts * width},
                               {first.size(2) * parts * width, parts * width, 1}, first.storage_offset()),
              Tensor(), Tensor()};
    }
    variable_list by_tokens;
    for (const Tensor& part : gradients) by_tokens.push_back(part.transpose(1, 2));
    return {at::stack(by_tokens, 2).flatten(2), Tensor(), Tensor()};
  }

 private:
  static bool lie_together(const variable_list& parts, std::int64_t width) {
    const Tensor& first = parts.front();
    const std::int64_t token = static_cast<std::int64_t>(parts.size()) * width;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::int64_t offset = first.storage_offset() + static_cast<std::int64_t>(i) * width;
      if (!parts[i].is_alias_of(first) || parts[i].storage_offset() != offset ||
          parts[i].strides() != at::IntArrayRef({first.size(2) * token, first.size(3), token, 1}))
        return false;
    }
    return true;
  }
};

}  // namespace

std::vector<Tensor> split_heads(const Tensor& x, std::int64_t parts, std::int64_t heads) {
  return SplitHeads::apply(x, parts, heads);
}

Tensor join_heads(const Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

Tensor first_tokens(const Tensor& x, std::int64_t count) {
  return count < x.size(1) ? x.narrow(1, 0, count).contiguous() : x;
}

namespace {

// A linear layer of which only some outputs are wanted.
Affine outputs(const Affine& p, std::int64_t first, std::int64_t count) {
  const Tensor bias = p.bias.defined() ? p.bias.narrow(0, first, count) : p.bias;
  return {p.weight.narrow(0, first, count), bias, p.as_on_gpu};
}

}  // namespace

Tensor self_attention(const Tensor& normed, std::int64_t asking, const Affine& qkv, const Affine& proj,
                      std::int64_t heads) {
  std::vector<Tensor> parts;
  if (asking == normed.size(1)) {
    parts = split_heads(linear(normed, qkv), 3, heads);
  } else {
    const std::int64_t width = normed.size(2);
    parts = split_heads(linear(first_tokens(normed, asking), outputs(qkv, 0, width)), 1, heads);
    const auto answers = split_heads(linear(normed, outputs(qkv, width, 2 * width)), 2, heads);
    parts.insert(parts.end(), answers.begin(), answers.end());
  }
  return linear(join_heads(attention(parts[0], parts[1], parts[2], qkv.as_on_gpu)), proj);
}

Tensor self_attention(const Tensor& normed, const SelfAttentionId& layer, std::int64_t heads,
                      const Bound& p) {
  return self_attention(normed, normed.size(1), p[layer.qkv], p[layer.proj], heads);
}

namespace {

Tensor heads_of(const Tensor& x, const AffineId& layer, std::int64_t heads, const Bound& p) {
  return split_heads(linear(x, p[layer]), 1, heads)[0];
}

// The tokens that ask and those that answer, normed.
struct Asked {
  Tensor asking, answering;
};

Asked normed(const Tensor& asking, const Tensor& patches, const ClassBlockId& block, const Bound& p) {
  const std::int64_t count = asking.size(1);
  const Tensor all = norm(at::cat({asking, patches}, 1), p[block.norm]);
  return {all.narrow(1, 0, count), block.patches_answer_alone ? all.slice(1, count) : all};
}

}  // namespace

Tensor class_attention(const Tensor& asking, const Tensor& answering, const ClassAttentionId& layer,
                       std::int64_t heads, const Bound& p) {
  const Tensor mixed = attention(heads_of(asking, layer.q, heads, p), heads_of(answering, layer.k, heads, p),
                                 heads_of(answering, layer.v, heads, p), p.as_on_gpu());
  return linear(join_heads(mixed), p[layer.proj]);
}

Tensor class_block(const Tensor& asking, const Tensor& patches, const ClassBlockId& block, std::int64_t heads,
                   const Bound& p) {
  const auto [queries, answering] = normed(asking, patches, block, p);
  const Tensor mixed = class_attention(queries, answering, block.attention, heads, p);
  const Tensor attended = asking + scaled(mixed, p[block.scale]);
  return residual(attended, mlp(block.mlp, p));
}

Tensor class_attention_weights(const Tensor& asking, const Tensor& answering, const ClassAttentionId& layer,
                               std::int64_t heads, const Bound& p) {
  return attention_weights(heads_of(asking, layer.q, heads, p), heads_of(answering, layer.k, heads, p));
}

Tensor class_block_weights(const Tensor& asking, const Tensor& patches, const ClassBlockId& block,
                           std::int64_t heads, const Bound& p) {
  const auto [queries, answering] = normed(asking, patches, block, p);
  return class_attention_weights(queries, answering, block.attention, heads, p);
}

AttentionMaps attention_maps(const Tensor& weights, std::int64_t side, std::int64_t cell) {
  const bool of_classes = weights.size(2) > 1;
  const Tensor rows = weights.select(of_classes ? 1 : 2, 0);  // [B,M,T]
  const Tensor patches = rows.slice(2, rows.size(2) - side * side);
  return {patches.unflatten(2, {side, side}).contiguous(), cell, of_classes};
}

Tensor cut_into_patches(const Tensor& images, std::int64_t patch) {
  const std::int64_t grid = images.size(2) / patch;
  return images.narrow(2, 0, grid * patch)
      .narrow(3, 0, grid * patch)
      .reshape({images.size(0), images.size(1), grid, patch, grid, patch});
}

// Patches are cut out and multiplied, not convolved: a matrix product's weight gradient has the same bits for
// any number of threads, a convolution's has not.
Tensor embed_patches(const Tensor& images, const Affine& p) {
  const Tensor patches = cut_into_patches(images, p.weight.size(2)).permute({0, 2, 4, 1, 3, 5});
  return linear(patches.flatten(3, 5).flatten(1, 2), {p.weight.flatten(1), p.bias, p.as_on_gpu});
}

// Of one layout, whatever the map's: sums of gradients depend on it.
Tensor tokens_of(const Tensor& map) { return map.flatten(2).transpose(1, 2).contiguous(); }

Tensor map_of(const Tensor& tokens, std::int64_t side) {
  return tokens.transpose(1, 2).unflatten(2, {side, side});
}

}  // namespace vitrail::models
