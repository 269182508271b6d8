#include "models/families/resmlp/resmlp.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T patches, D width.
namespace vitrail::models {
namespace {

using at::Tensor;

Tensor affine(const Tensor& x, const Affine& p) {
  return at::addcmul(p.bias, p.weight, x.to(p.weight.scalar_type()));
}

// A whole branch: one linear layer over the tokens, shared by all channels; [B,T,D] -> [B,T,D].
Tensor mix_tokens(const Tensor& x, const ResMlpBlockId& layers, const Bound& p) {
  const Tensor mixed = linear(affine(x, p[layers.norm1]).transpose(1, 2), p[layers.mixing]);
  return scaled(mixed.transpose(1, 2), p[layers.scale1]);
}

// A whole branch: [B,T,D] -> [B,T,D].
Tensor mix_channels(const Tensor& x, const ResMlpBlockId& layers, const Bound& p) {
  return scaled(two_layers(affine(x, p[layers.norm2]), layers.fc1, layers.fc2, p), p[layers.scale2]);
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
  const Branch mixing = [p = bound(), &layers](const Tensor& z) { return mix_tokens(z, layers, p); };
  const Tensor mixed = depth.add(x, x, 0, config_.checkpointing.attention ? recomputed(mixing) : mixing);
  const Branch channels = [&](const Tensor& z) { return mix_channels(z, layers, bound()); };
  return depth.add(mixed, mixed, 1, channels);
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
