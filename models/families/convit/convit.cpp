#include "models/families/convit/convit.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T tokens (patches; for the plain blocks with the class token), D width, H heads.
namespace vitrail::models {
namespace {

using at::Tensor;

// How far each patch is from each other one, across, down, and squared: [T,T,3], from the row's to the
// column's.
Tensor offsets(std::int64_t grid, const Tensor& like) {
  const Tensor along = at::arange(grid, like.options().requires_grad(false));
  const Tensor step = along.unsqueeze(0) - along.unsqueeze(1);
  const std::int64_t patches = grid * grid;
  const Tensor across = step.view({1, grid, 1, grid}).expand({grid, grid, grid, grid});
  const Tensor down = step.view({grid, 1, grid, 1}).expand({grid, grid, grid, grid});
  return at::stack({across, down, across.square() + down.square()}, 4).view({patches, patches, 3});
}

// Weights [H,T,T] of all images' values [B,H,T,d]: one product for each head.
Tensor seen_nearby(const Tensor& near, const Tensor& v) {
  const Tensor together = v.permute({1, 2, 0, 3}).flatten(2);  // [H,T,B*d]
  return product(near, together).unflatten(2, {v.size(0), v.size(3)}).permute({2, 0, 1, 3});
}

// A branch behind its norm: [B,T,D] -> [B,T,D]. Each head looks at what is alike and at what is near, and
// weighs the two by its gate. Both are weights that sum to 1, so their mean does, too. The near ones are the
// same for all images.
Tensor gated_attention(const Tensor& normed, const GatedAttentionId& layer, std::int64_t heads,
                       const Tensor& places, const Bound& p) {
  const auto qk = split_heads(linear(normed, {p[layer.qk], {}}), 2, heads);
  const Tensor v = split_heads(linear(normed, {p[layer.v], {}}), 1, heads)[0];  // [B,H,T,D/H]
  const Affine position = p[layer.position];  // in fp32: bf16 does not count to twice the grid's square
  const Tensor logits =
      linear(places, {widened(position.weight), position.bias}).permute({2, 0, 1});  // [H,T,T]
  const Tensor gate = at::sigmoid(p[layer.gate]).view({heads, 1, 1});
  const Tensor near = (gate * at::softmax(logits, -1)).to(v.scalar_type());
  const Tensor of_position = seen_nearby(near, v).transpose(1, 2);
  const Tensor of_content = attention(qk[0], qk[1], v, p.as_on_gpu()).transpose(1, 2);
  const Tensor mixed = at::addcmul(of_position, of_content, (1 - gate).view({heads, 1}));  // [B,T,H,D/H]
  return linear(mixed.to(v.scalar_type()).flatten(2), p[layer.proj]);
}

// With what weights the class token attends: [B,H,1,T].
Tensor weights_of_class_token(const Tensor& x, const PlainAttentionId& layer, std::int64_t heads,
                              const Bound& p) {
  const auto qkv = split_heads(linear(norm(x, p[layer.norm]), {p[layer.qkv], {}}), 3, heads);
  return attention_weights(qkv[0].narrow(2, 0, 1), qkv[1]);
}

class Convit final : public Model {
 public:
  Convit(const ConvitConfig& config, const Declaration& declared, ConvitParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head, config.drop_paths(2)),
        config_(config),
        parameters_(std::move(parameters)) {}

 private:
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor block(const Tensor& x, int layer, const Tensor& places, const Pass& pass) const;
  Tensor with_class_token(const Tensor& patches) const;
  AttentionMaps attention_of(const Tensor& x, int layer) const;

  ConvitConfig config_;
  ConvitParameters parameters_;
};

Tensor Convit::with_class_token(const Tensor& patches) const {
  return at::cat({bound()[parameters_.class_token].expand({patches.size(0), -1, -1}), patches}, 1);
}

// [B,T,D] -> [B,T,D]; the first plain one adds the class token, of the last one what is read of it: the class
// token alone, where nobody asks for patches.
Tensor Convit::block(const Tensor& x, int layer, const Tensor& places, const Pass& pass) const {
  const ConvitBlockId& layers = parameters_.blocks[static_cast<std::size_t>(layer)];
  const StochasticDepth depth(pass, layer);
  const Bound p = bound();
  const AffineId& norm = layers.gated ? layers.gated->norm : layers.plain->norm;
  const ParameterId first = layers.gated ? layers.gated->qk : layers.plain->qkv;
  const Tensor in = layer == config_.gated_blocks() ? with_class_token(x) : x;
  const bool reads_all = layer + 1 < config_.depth || pass.reads_patches();
  const std::int64_t read = reads_all ? in.size(1) : 1;
  const NormedBranch asks{p[norm],
                          p[first].scalar_type(),
                          {},
                          [p, &layers, read, heads = config_.heads, places](const Tensor& z) {
                            return layers.gated
                                       ? gated_attention(z, *layers.gated, heads, places, p)
                                       : self_attention(z, read, {p[layers.plain->qkv], {}, p.as_on_gpu()},
                                                        p[layers.plain->proj], heads);
                          },
                          config_.checkpointing.attention};
  const Tensor attended = depth.add(first_tokens(in, read), in, 0, asks);
  return depth.add(attended, attended, 1, mlp(layers.mlp, p));
}

// Of a plain block's input.
AttentionMaps Convit::attention_of(const Tensor& x, int layer) const {
  const PlainAttentionId& plain = *parameters_.blocks[static_cast<std::size_t>(layer)].plain;
  const Tensor in = layer == config_.gated_blocks() ? with_class_token(x) : x;
  return attention_maps(weights_of_class_token(in, plain, config_.heads, bound()), config_.grid(),
                        config_.patch);
}

Features Convit::body(const Tensor& images, const Pass& pass) const {
  const Bound p = bound();
  pass.enter(0);
  const Tensor patches = embed_patches(images, p[parameters_.patch]) + p[parameters_.position];
  const Tensor places = offsets(config_.grid(), p[parameters_.position]);
  std::vector<Tensor> last_blocks;  // class tokens
  std::optional<AttentionMaps> last_look;
  const Tensor x = run_blocks(patches, config_.depth, config_.checkpointing.blocks, pass,
                              [&, places](const Tensor& z, int layer, const Pass& now) {
                                if (now.features.attention && layer + 1 == config_.depth)
                                  last_look = attention_of(z, layer);
                                Tensor out = block(z, layer, places, now);
                                const auto joined =
                                    std::max(config_.gated_blocks(), config_.depth - now.features.blocks);
                                if (layer >= joined && now.features.blocks > 0)
                                  last_blocks.push_back(out.select(1, 0));
                                return out;
                              });
  pass.enter(static_cast<int>(config_.depth) + 1);
  const Affine last = p[parameters_.norm];
  Features features{norm(x.select(1, 0), last), {}};
  for (const Tensor& token : last_blocks) features.blocks.push_back(norm(token, last));
  if (pass.features.mean) features.mean = norm(x.slice(1, 1), last).mean(1);
  features.attention = last_look;
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const ConvitConfig& config) { return make_declared<Convit>(config); }

}  // namespace vitrail::models
