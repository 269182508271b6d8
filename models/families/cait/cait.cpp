#include "models/families/cait/cait.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/kernels/talking_heads/talking_heads_passes.hpp"
#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T patches, D width.
namespace vitrail::models {
namespace {

using at::Tensor;

// A branch behind its norm: [B,T,D] -> [B,T,D].
Tensor talking_attention(const Tensor& normed, const TalkingAttentionId& layer, std::int64_t heads,
                         const Bound& p) {
  const auto qkv = split_heads(linear(normed, p[layer.qkv]), 3, heads);
  const TalkingHeads mix = {p[layer.logits.weight], p[layer.logits.bias], p[layer.weights.weight],
                            p[layer.weights.bias]};
  const auto device = p.as_on_gpu() ? at::kCUDA : normed.device().type();
  const Tensor mixed = talking_heads_attention(qkv[0], qkv[1], qkv[2], mix, passes_on(device));
  return linear(join_heads(mixed), p[layer.proj]);
}

class Cait final : public Model {
 public:
  Cait(const CaitConfig& config, const Declaration& declared, CaitParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head, config.drop_paths(2)),
        config_(config),
        parameters_(std::move(parameters)) {}

 private:
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor block(const Tensor& x, int layer, const Pass& pass) const;

  CaitConfig config_;
  CaitParameters parameters_;
};

// [B,T,D] -> [B,T,D]
Tensor Cait::block(const Tensor& x, int layer, const Pass& pass) const {
  const auto& parts = parameters_.blocks[static_cast<std::size_t>(layer)];
  const StochasticDepth depth(pass, layer);
  const Bound p = bound();
  const TalkingAttentionId& attention = parts.attention;
  const NormedBranch talks{p[attention.norm], p[attention.qkv].weight.scalar_type(), p[attention.scale],
                           [p, &attention, heads = config_.heads](const Tensor& z) {
                             return talking_attention(z, attention, heads, p);
                           },
                           config_.checkpointing.attention};
  const Tensor attended = depth.add(x, x, 0, talks);
  return depth.add(attended, attended, 1, mlp(parts.mlp, p));
}

Features Cait::body(const Tensor& images, const Pass& pass) const {
  const Bound p = bound();
  pass.enter(0);
  const Tensor patches =
      run_blocks(embed_patches(images, p[parameters_.patch]) + p[parameters_.position], config_.depth,
                 config_.checkpointing.blocks, pass,
                 [this](const Tensor& z, int layer, const Pass& now) { return block(z, layer, now); });
  int entered = static_cast<int>(config_.depth);
  Tensor token;
  std::vector<Tensor> tokens;  // after each block that has one
  std::optional<AttentionMaps> first_look;
  for (const auto& layer : parameters_.class_blocks) {
    pass.enter(++entered);
    if (!token.defined()) token = p[parameters_.class_token].expand({images.size(0), -1, -1});
    if (pass.features.attention && !first_look) {
      first_look = attention_maps(class_block_weights(token, patches, layer, config_.heads, p),
                                  config_.grid(), config_.patch);
    }
    token = class_block(token, patches, layer, config_.heads, p);
    tokens.push_back(token.select(1, 0));
  }
  pass.enter(++entered);
  const Affine last = p[parameters_.norm];
  Features features{norm(token.select(1, 0), last), {}};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (static_cast<std::int64_t>(tokens.size() - i) <= pass.features.blocks)
      features.blocks.push_back(norm(tokens[i], last));
  }
  if (pass.features.mean) features.mean = norm(patches, last).mean(1);
  features.attention = first_look;
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const CaitConfig& config) { return make_declared<Cait>(config); }

}  // namespace vitrail::models
