#include "models/families/resmlp/resmlp.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/kernels/rows/rows.hpp"
#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T patches, D width.
namespace vitrail::models {
namespace {

using at::Tensor;

Tensor affine(const Tensor& x, const Affine& p) {
  return affine_rows(x.to(p.weight.scalar_type()), p.weight, p.bias);
}

// One linear layer over the tokens, shared by all channels; [B,T,D] -> [B,T,D].
Tensor mix_tokens(const Tensor& x, const ResMlpBlockId& layers, const Bound& p) {
  const Tensor in = affine(x, p[layers.norm1]);
  const Affine mixing = p[layers.mixing];
  if (at::isReducedFloatingType(mixing.weight.scalar_type()))
    return linear(in.transpose(1, 2), mixing).transpose(1, 2);
  const std::int64_t images = x.size(0);  // the weight from the left, and nothing has to be transposed
  return at::baddbmm(mixing.bias.view({1, -1, 1}).expand(in.sizes()), mixing.weight.expand({images, -1, -1}),
                     in);
}

// [B,T,D] -> [B,T,D]
Tensor mix_channels(const Tensor& x, const ResMlpBlockId& layers, const Bound& p) {
  return two_layers(affine(x, p[layers.norm2]), layers.fc1, layers.fc2, p);
}

class ResMlp final : public Model {
 public:
  ResMlp(const ResMlpConfig& config, const Declaration& declared, ResMlpParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head, config.drop_paths(2)),
        config_(config),
        parameters_(std::move(parameters)) {}

 private:
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor block(const Tensor& x, int layer, const Pass& pass) const;

  ResMlpConfig config_;
  ResMlpParameters parameters_;
};

// [B,T,D] -> [B,T,D]
Tensor ResMlp::block(const Tensor& x, int layer, const Pass& pass) const {
  const ResMlpBlockId& layers = parameters_.blocks[static_cast<std::size_t>(layer)];
  const StochasticDepth depth(pass, layer);
  const Bound p = bound();
  const Branch mixing = [p, &layers](const Tensor& z) { return mix_tokens(z, layers, p); };
  const Branch scaled_mixing = [p, &layers](const Tensor& z) {
    return scaled_rows(mix_tokens(z, layers, p), p[layers.scale1]);
  };
  const Tensor mixed = config_.checkpointing.attention ? depth.add(x, x, 0, recomputed(scaled_mixing))
                                                       : depth.add(x, x, 0, mixing, p[layers.scale1]);
  const Branch channels = [&](const Tensor& z) { return mix_channels(z, layers, p); };
  return depth.add(mixed, mixed, 1, channels, p[layers.scale2]);
}

Features ResMlp::body(const Tensor& images, const Pass& pass) const {
  const Bound p = bound();
  pass.enter(0);
  std::vector<Tensor> last_blocks;
  const Tensor x =
      run_blocks(embed_patches(images, p[parameters_.patch]), config_.depth, config_.checkpointing.blocks,
                 pass, [&](const Tensor& z, int layer, const Pass& now) {
                   Tensor out = block(z, layer, now);
                   if (layer >= config_.depth - now.features.blocks) last_blocks.push_back(out);
                   return out;
                 });
  pass.enter(static_cast<int>(config_.depth) + 1);
  const auto pooled = [&](const Tensor& z) { return affine(z, p[parameters_.norm]).mean(1); };
  Features features{pooled(x), {}};
  for (const Tensor& out : last_blocks) features.blocks.push_back(pooled(out));
  if (pass.features.mean) features.mean = features.pooled;
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const ResMlpConfig& config) { return make_declared<ResMlp>(config); }

}  // namespace vitrail::models
