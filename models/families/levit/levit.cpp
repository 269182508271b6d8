#include "models/families/levit/levit.hpp"

#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/layers/batch_norm.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T tokens, C channels, H heads.
namespace vitrail::models {
namespace {

using at::Tensor;

// Every `step`-th token both ways: [B,N*N,C] -> [B,n*n,C].
Tensor every(const Tensor& x, std::int64_t side, std::int64_t step) {
  return x.unflatten(1, {side, side}).slice(1, 0, {}, step).slice(2, 0, {}, step).flatten(1, 2);
}

// Where the bias of each pair of tokens is found: by how far the one that answers is down and across from the
// one that asks, which is every `step`-th: [n*n,N*N].
Tensor distance_index(std::int64_t side, std::int64_t step, const at::Device& device) {
  const Tensor along = at::arange(side, at::TensorOptions().dtype(at::kLong).device(device));
  const Tensor far = (along.slice(0, 0, {}, step).unsqueeze(1) - along.unsqueeze(0)).abs();  // [n,N]
  const std::int64_t asking = far.size(0);
  return (side * far.view({asking, 1, side, 1}) + far.view({1, asking, 1, side}))
      .view({asking * asking, side * side});
}

class Levit final : public Model {
 public:
  Levit(const LevitConfig& config, const Declaration& declared, LevitParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head,
              config.drop_paths(parameters.blocks.size(), 2)),
        config_(config),
        parameters_(std::move(parameters)) {}

 private:
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor block(const Tensor& x, int number, const Pass& pass) const;
  Tensor attend(const Tensor& x, const DistanceAttentionId& layer, const Pass& pass) const;
  Tensor mlp(const Tensor& x, const LevitMlpId& layer, const Pass& pass) const;

  LevitConfig config_;
  LevitParameters parameters_;
};

// [B,T,C] -> [B,T,C], or of every second token both ways in the next stage's width.
Tensor Levit::attend(const Tensor& x, const DistanceAttentionId& layer, const Pass& pass) const {
  const Bound p = bound();
  const std::int64_t key = config_.key, step = layer.qkv ? 1 : 2, heads = p[layer.biases].size(0);
  const auto apart = [&](const Tensor& y) {  // [B,T,H*c] -> [B,H,T,c]
    return y.unflatten(2, {heads, -1}).transpose(1, 2).to(p[layer.proj.weight].scalar_type());
  };
  const Tensor all = apart(normed_linear(x, layer.qkv ? *layer.qkv : *layer.kv, p, pass));
  const Tensor q =
      layer.qkv ? all.slice(3, 0, key) : apart(normed_linear(every(x, layer.side, step), *layer.q, p, pass));
  const std::int64_t first = layer.qkv ? key : 0;  // of keys; the rest are values
  const Tensor k = all.slice(3, first, first + key), v = all.slice(3, first + key);
  const Tensor bias =
      p[layer.biases].index({at::indexing::Slice(), distance_index(layer.side, step, x.device())});
  const Tensor logits = product(q, k.transpose(2, 3)) * (1 / std::sqrt(static_cast<double>(key))) + bias;
  const Tensor mixed = join_heads(product(at::softmax(logits, -1).to(v.scalar_type()), v));
  return normed_linear(at::hardswish(mixed), layer.proj, p, pass);
}

Tensor Levit::mlp(const Tensor& x, const LevitMlpId& layer, const Pass& pass) const {
  const Bound p = bound();
  return normed_linear(at::hardswish(normed_linear(x, layer.first, p, pass)), layer.second, p, pass);
}

// [B,T,C] -> [B,T,C]
Tensor Levit::block(const Tensor& x, int number, const Pass& pass) const {
  const LevitBlockId& layers = parameters_.blocks[static_cast<std::size_t>(number)];
  const StochasticDepth depth(pass, number);
  const Tensor attended = attend(x, layers.attention, pass);
  const Tensor sum = layers.attention.qkv ? depth.add_computed(x, attended, 0) : attended;
  return depth.add_computed(sum, mlp(sum, layers.mlp, pass), 1);
}

Features Levit::body(const Tensor& images, const Pass& pass) const {
  const Bound p = bound();
  pass.enter(0);
  Tensor x = images;
  for (std::size_t i = 0; i < parameters_.stem.size(); ++i) {
    if (i > 0) x = at::hardswish(x);
    x = normed_convolution(x, parameters_.stem[i], 2, 1, p, pass);
  }
  x = tokens_of(x);
  const int blocks = static_cast<int>(parameters_.blocks.size());
  Features features;
  for (int number = 0; number < blocks; ++number) {
    pass.enter(number + 1);
    x = block(x, number, pass);
    if (number >= blocks - pass.features.blocks) features.blocks.push_back(x.mean(1));
  }
  pass.enter(blocks + 1);
  const Tensor mean = x.mean(1);
  features.pooled = batch_norm(mean, parameters_.head_norm, p, pass);
  features.distillation = batch_norm(mean, parameters_.distillation_norm, p, pass);
  if (pass.features.mean) features.mean = mean;
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const LevitConfig& config) { return make_declared<Levit>(config); }

}  // namespace vitrail::models
