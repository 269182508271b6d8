#include "models/families/vit/vit.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/families/vit/hmlp_stem.hpp"
#include "models/features.hpp"
#include "models/layers/blocks.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/patch_choice.hpp"
#include "models/layers/positions.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T tokens (one or two, then G*G patches), D width.
namespace vitrail::models {
namespace {

using at::Tensor;

// With what weights the class token attends: [B,H,1,T].
Tensor weights_of_class_token(const Tensor& x, const VitAttentionId& layer, std::int64_t heads,
                              const Bound& p) {
  const auto qkv = split_heads(linear(norm(x, p[layer.norm]), p[layer.qkv]), 3, heads);
  return attention_weights(qkv[0].narrow(2, 0, 1), qkv[1]);
}

class Vit final : public Model {
 public:
  Vit(const VitConfig& config, const Declaration& declared, VitParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head,
              config.drop_paths(2 * static_cast<int>(config.parallel))),
        config_(config),
        parameters_(std::move(parameters)) {}

 private:
  std::optional<std::int64_t> smallest_view() const override { return config_.smallest_view(); }
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor embed(const Tensor& images, const Pass& pass) const;
  std::int64_t read_of(int layer, const Pass& pass, std::int64_t tokens) const;
  Tensor block(const Tensor& x, int layer, const Pass& pass) const;
  Tensor pooled(const Tensor& x) const;
  AttentionMaps attention_of(const Tensor& x, int layer) const;

  VitConfig config_;
  VitParameters parameters_;
};

// [B,3,S,S] -> [B,T,D]
Tensor Vit::embed(const Tensor& images, const Pass& pass) const {
  const Bound p = bound();
  const Tensor patches = parameters_.hmlp ? hmlp_stem(images, *parameters_.hmlp, p, pass)
                                          : embed_patches(images, p[parameters_.patch]);
  const std::int64_t leading = config_.tokens_have_position ? config_.added_tokens() : 0;
  const Tensor position = positions_on(p[parameters_.position], leading, images.size(2) / config_.patch);
  std::vector<Tensor> parts = {p[parameters_.class_token].expand({images.size(0), -1, -1})};
  if (config_.distilled) parts.push_back(p[parameters_.distillation_token].expand({images.size(0), -1, -1}));
  parts.push_back(config_.tokens_have_position ? patches : patches + position);
  const Tensor tokens = at::cat(parts, 1);
  const Tensor placed =
      Dropout(pass, config_.dropout, 0)(config_.tokens_have_position ? tokens + position : tokens);
  if (pass.visible.empty()) return placed;
  const std::int64_t added = config_.added_tokens();
  return at::cat({placed.slice(1, 0, added), chosen_patches(placed.slice(1, added), pass.visible)}, 1);
}

// How many of a block's first outputs anything reads.
std::int64_t Vit::read_of(int layer, const Pass& pass, std::int64_t tokens) const {
  const bool all = config_.patches_are_read(layer) || pass.reads_patches();
  return all ? tokens : config_.added_tokens();
}

// [B,T,D] -> [B,T,D], of the last block what is read of it.
Tensor Vit::block(const Tensor& x, int layer, const Pass& pass) const {
  const VitBlockId& parts = parameters_.blocks[static_cast<std::size_t>(layer)];
  const int parallel = static_cast<int>(config_.parallel);
  const StochasticDepth depth(pass, layer);
  const Bound p = bound();
  const int first_site = 1 + 3 * parallel * layer;  // one of an attention, two of an MLP
  const std::int64_t read = read_of(layer, pass, x.size(1));
  Tensor attended = first_tokens(x, read);
  for (int i = 0; i < parallel; ++i) {
    const VitAttentionId& attention = parts.attentions[static_cast<std::size_t>(i)];
    const Dropout dropout(pass, config_.dropout, first_site + i);
    const NormedBranch asks{
        p[attention.norm], p[attention.qkv].weight.scalar_type(), p[attention.scale],
        [p, &attention, read, heads = config_.heads, dropout](const Tensor& z) {
          return dropout(self_attention(z, read, p[attention.qkv], p[attention.proj], heads));
        },
        config_.checkpointing.attention};
    attended = depth.add(attended, x, i, asks);
  }
  Tensor out = attended;
  for (int i = 0; i < parallel; ++i) {
    const MlpId& layers = parts.mlps[static_cast<std::size_t>(i)];
    const Dropout dropout(pass, config_.dropout, first_site + parallel + 2 * i);
    out = depth.add(out, attended, parallel + i, mlp(layers, p, dropout));
  }
  return out;
}

// [B,T,D] -> [B,D], before the norm.
Tensor Vit::pooled(const Tensor& x) const {
  return config_.pooling == Pooling::mean ? x.slice(1, config_.added_tokens()).mean(1) : x.select(1, 0);
}

// Of a block's input; of parallel branches one after another.
AttentionMaps Vit::attention_of(const Tensor& x, int layer) const {
  std::vector<Tensor> weights;
  for (const VitAttentionId& branch : parameters_.blocks[static_cast<std::size_t>(layer)].attentions)
    weights.push_back(weights_of_class_token(x, branch, config_.heads, bound()));
  return attention_maps(at::cat(weights, 1), config_.grid(), config_.patch);
}

Features Vit::body(const Tensor& images, const Pass& pass) const {
  pass.enter(0);
  std::vector<Tensor> last_blocks;  // pooled
  std::optional<AttentionMaps> last_look;
  const Tensor x = run_blocks(embed(images, pass), config_.depth, config_.checkpointing.blocks, pass,
                              [&](const Tensor& z, int layer, const Pass& now) {
                                if (now.features.attention && layer + 1 == config_.depth)
                                  last_look = attention_of(z, layer);
                                Tensor out = block(z, layer, now);
                                if (layer >= config_.depth - now.features.blocks)
                                  last_blocks.push_back(pooled(out));
                                return out;
                              });
  pass.enter(static_cast<int>(config_.depth) + 1);
  const Affine last = bound()[parameters_.norm];
  Features features{norm(pooled(x), last), {}};
  if (config_.distilled) features.distillation = norm(x.select(1, 1), last);
  if (pass.features.tokens) features.tokens = norm(x, last);
  for (const Tensor& token : last_blocks) features.blocks.push_back(norm(token, last));
  if (pass.features.mean) {
    features.mean = norm(x.slice(1, config_.added_tokens()), last).mean(1);
  }
  features.attention = last_look;
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const VitConfig& config) { return make_declared<Vit>(config); }

}  // namespace vitrail::models
