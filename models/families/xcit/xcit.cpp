#include "models/families/xcit/xcit.hpp"

#include <cmath>
#include <numbers>
#include <utility>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/layers/batch_norm.hpp"
#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T patches, D width, H heads.
namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Sines and cosines of both coordinates of every patch: [T,64]. In fp32 also for an fp64 network, as the
// authors' code computes them.
Tensor fourier_positions(std::int64_t side, const Tensor& like) {
  constexpr double kEps = 1e-6;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(like.device());
  const Tensor places = at::arange(1, side + 1, options);
  const Tensor angles = places / (places[side - 1] + kEps) * (2 * std::numbers::pi);
  const Tensor number = at::arange(XcitConfig::kFrequencies, options);
  const Tensor exponents = 2 * at::div(number, 2, "floor") / static_cast<double>(XcitConfig::kFrequencies);
  const Tensor waves = angles.unsqueeze(1) / at::pow(at::Scalar(10000), exponents);  // [side,32]
  const Tensor sines = waves.slice(1, 0, {}, 2).sin(), cosines = waves.slice(1, 1, {}, 2).cos();
  const Tensor encoded = at::stack({sines, cosines}, 2).flatten(1);
  const Tensor rows = encoded.unsqueeze(1).expand({side, side, -1});
  return at::cat({rows, rows.transpose(0, 1)}, 2).flatten(0, 1).to(like.scalar_type());
}

constexpr double kSmallestLength = 1e-12;

// Cosines of channels over patches, of q's [B,H,T,d] with k's: [B,H,d,d]. Lengths divide the product, not
// what is multiplied, and backward adds what comes by a length to what comes by the product: fewer passes
// over patches.
class Cosines : public torch::autograd::Function<Cosines> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& q, const Tensor& k) {
    const Tensor q_lengths = lengths(q), k_lengths = lengths(k);
    const Tensor over = (q_lengths.transpose(2, 3) * k_lengths).reciprocal_();
    const Tensor cosines = at::matmul(q.transpose(2, 3), k).mul_(over);
    ctx->save_for_backward({q, k, q_lengths, k_lengths, over, cosines});
    return cosines;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &cosines = saved[5];
    const Tensor of_product = gradients[0] * saved[4], by_length = gradients[0] * cosines;
    Tensor of_q = at::matmul(k, of_product.transpose(2, 3)), of_k = at::matmul(q, of_product);
    of_q.addcmul_(q, over_square(by_length.sum(3, true).transpose(2, 3), saved[2]), -1);
    of_k.addcmul_(k, over_square(by_length.sum(2, true), saved[3]), -1);
    return {of_q, of_k};
  }

 private:
  static Tensor lengths(const Tensor& x) {
    return x.square().sum(2, true).sqrt_().clamp_min_(kSmallestLength);
  }

  // A length that is held at the smallest one moves with nothing.
  static Tensor over_square(const Tensor& sum, const Tensor& length) {
    return (sum / (length * length)).masked_fill_(length <= kSmallestLength, 0);
  }
};

// Halves would not hold a product that is not yet divided.
Tensor likeness(const Tensor& q, const Tensor& k) {
  if (!at::isReducedFloatingType(q.scalar_type())) return Cosines::apply(q, k);
  return product(over_length(q.transpose(2, 3)), over_length(k.transpose(2, 3)).transpose(2, 3));
}

// A branch behind its norm: each channel attends to channels of its head, by their likeness over all patches.
Tensor channel_attention(const Tensor& normed, const XcitBlockId& layer, std::int64_t heads, const Bound& p) {
  const auto apart = split_heads(linear(normed, p[layer.qkv]), 3, heads);  // [B,H,T,D/H]
  const Tensor logits = likeness(apart[0], apart[1]) * p[layer.temperature];
  const Tensor map = at::softmax(logits, -1).to(apart[2].scalar_type());
  const Tensor mixed = product(apart[2], map.transpose(2, 3));  // [B,H,T,D/H]
  return linear(join_heads(mixed), p[layer.proj]);
}

class Xcit final : public Model {
 public:
  Xcit(const XcitConfig& config, const Declaration& declared, XcitParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head, config.drop_paths(3)),
        config_(config),
        parameters_(std::move(parameters)) {}

 private:
  std::optional<std::int64_t> smallest_view() const override { return config_.smallest_view(); }
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor embed(const Tensor& images, const Pass& pass) const;
  Tensor block(const Tensor& x, int layer, const Pass& pass) const;
  Tensor local_interaction(const Tensor& x, const XcitBlockId& layer, const Pass& pass) const;
  Tensor class_block(const Tensor& tokens, const XcitClassBlockId& layer, bool all_are_read) const;

  XcitConfig config_;
  XcitParameters parameters_;
};

// [B,3,S,S] -> [B,T,D]
Tensor Xcit::embed(const Tensor& images, const Pass& pass) const {
  const Bound p = bound();
  Tensor x = images;
  for (std::size_t i = 0; i < parameters_.stem.size(); ++i) {
    if (i > 0) x = gelu_of_map(x);
    x = normed_convolution(x, parameters_.stem[i], 2, 1, p, pass);
  }
  const Affine position = p[parameters_.position];
  return tokens_of(x) +
         linear(fourier_positions(x.size(2), position.weight), {position.weight.flatten(1), position.bias});
}

// [B,T,D] -> [B,T,D]
Tensor Xcit::local_interaction(const Tensor& x, const XcitBlockId& layer, const Pass& pass) const {
  const Bound p = bound();
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(x.size(1)))));
  const Tensor map = map_of(norm(x, p[layer.norm3]), side);
  const Tensor first = gelu_of_map(convolution(map, p[layer.conv1], 1, 1, config_.width));
  const Tensor normed = batch_norm(first, layer.local_norm, p, pass);
  return tokens_of(convolution(normed, p[layer.conv2], 1, 1, config_.width));
}

// [B,T,D] -> [B,T,D]
Tensor Xcit::block(const Tensor& x, int layer, const Pass& pass) const {
  const XcitBlockId& layers = parameters_.blocks[static_cast<std::size_t>(layer)];
  const StochasticDepth depth(pass, layer);
  const Bound p = bound();
  const NormedBranch attention{
      p[layers.norm1], p[layers.qkv].weight.scalar_type(), p[layers.scale1],
      [p, &layers, heads = config_.heads](const Tensor& z) { return channel_attention(z, layers, heads, p); },
      config_.checkpointing.attention};
  const Tensor attended = depth.add(x, x, 0, attention);
  const Tensor near =
      depth.add_computed(attended, local_interaction(attended, layers, pass), 1, p[layers.scale3]);
  return depth.add(near, near, 2, mlp(layers.mlp, p));
}

// [B,1+T,D] -> the same, or [B,1,D] where only the class token is read. Patches take part as the authors'
// code has it: their first residual branch is what the norm makes of them, and behind the second norm, where
// that is theirs, too, all are added to themselves.
Tensor Xcit::class_block(const Tensor& tokens, const XcitClassBlockId& layer, bool all_are_read) const {
  const Bound p = bound();
  const Tensor normed = norm(tokens, p[layer.norm1]);
  const Tensor asking = normed.narrow(1, 0, 1);
  const Tensor answer = class_attention(asking, normed, layer.attention, config_.heads, p);
  const Tensor step = all_are_read ? at::cat({answer, normed.slice(1, 1)}, 1) : answer;
  const Tensor moved = tokens.narrow(1, 0, step.size(1)) + scaled(step, p[layer.scale1]);
  const Tensor all = config_.tokens_are_normed ? norm(moved, p[layer.mlp.norm]) : moved;
  const Tensor token =
      config_.tokens_are_normed ? all.narrow(1, 0, 1) : norm(moved.narrow(1, 0, 1), p[layer.mlp.norm]);
  const Tensor branch = scaled(two_layers(token, layer.mlp.fc1, layer.mlp.fc2, p), p[layer.mlp.scale]);
  return all_are_read ? at::cat({token + branch, 2 * all.slice(1, 1)}, 1) : token + branch;
}

Features Xcit::body(const Tensor& images, const Pass& pass) const {
  const Bound p = bound();
  pass.enter(0);
  const Tensor patches =
      run_blocks(embed(images, pass), config_.depth, config_.checkpointing.blocks, pass,
                 [this](const Tensor& z, int layer, const Pass& now) { return block(z, layer, now); });
  int entered = static_cast<int>(config_.depth);
  Tensor tokens;
  std::vector<Tensor> class_tokens;  // after each block that has one
  std::optional<AttentionMaps> first_look;
  for (const XcitClassBlockId& layer : parameters_.class_blocks) {
    pass.enter(++entered);
    if (!tokens.defined())
      tokens = at::cat({p[parameters_.class_token].expand({images.size(0), -1, -1}), patches}, 1);
    if (pass.features.attention && !first_look) {
      const Tensor normed = norm(tokens, p[layer.norm1]);
      first_look = attention_maps(
          class_attention_weights(normed.narrow(1, 0, 1), normed, layer.attention, config_.heads, p),
          config_.side(), config_.patch);
    }
    const bool is_last = &layer == &parameters_.class_blocks.back();
    tokens = class_block(tokens, layer, !is_last || pass.reads_patches());
    class_tokens.push_back(tokens.select(1, 0));
  }
  pass.enter(++entered);
  const Affine last = p[parameters_.norm];
  Features features{norm(tokens.select(1, 0), last), {}};
  for (std::size_t i = 0; i < class_tokens.size(); ++i) {
    if (static_cast<std::int64_t>(class_tokens.size() - i) <= pass.features.blocks)
      features.blocks.push_back(norm(class_tokens[i], last));
  }
  if (pass.features.mean) features.mean = norm(tokens.slice(1, 1), last).mean(1);
  features.attention = first_look;
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const XcitConfig& config) { return make_declared<Xcit>(config); }

}  // namespace vitrail::models
