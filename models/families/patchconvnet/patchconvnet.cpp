#include "models/families/patchconvnet/patchconvnet.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/layers/batch_norm.hpp"
#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, T patches, D width, K class tokens.
namespace vitrail::models {
namespace {

using at::Tensor;

// A convolution of one pixel on tokens: a linear layer, whose weight gradient does not depend on threads.
Tensor pointwise(const Tensor& tokens, const Affine& p) {
  return linear(tokens, {p.weight.flatten(1), p.bias});
}

class PatchConvNet final : public Model {
 public:
  PatchConvNet(const PatchConvNetConfig& config, const Declaration& declared,
               PatchConvNetParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head, config.drop_paths(1)),
        config_(config),
        parameters_(std::move(parameters)) {}

 private:
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor embed(const Tensor& images) const;
  Tensor block(const Tensor& x, int layer, const Pass& pass) const;
  Tensor column(const Tensor& normed, const ColumnBlockId& layer) const;
  Tensor class_tokens(const Tensor& patches) const;
  Tensor aggregated(const Tensor& patches) const;
  Tensor read(const Tensor& patches) const;

  PatchConvNetConfig config_;
  PatchConvNetParameters parameters_;
};

// [B,3,S,S] -> [B,T,D]
Tensor PatchConvNet::embed(const Tensor& images) const {
  const Bound p = bound();
  Tensor x = images;
  for (std::size_t i = 0; i < parameters_.stem.size(); ++i) {
    if (i > 0) x = gelu_of_map(x);
    x = convolution(x, {p[parameters_.stem[i]], {}}, 2, 1, 1);
  }
  return tokens_of(x);
}

// The branch behind its norm: [B,T,D] -> [B,T,D].
Tensor PatchConvNet::column(const Tensor& normed, const ColumnBlockId& layer) const {
  const Bound p = bound();
  const Affine enter = p[layer.enter];
  const Tensor map = map_of(gelu_of_linear(normed, {enter.weight.flatten(1), enter.bias}), config_.side());
  const Tensor y = tokens_of(gelu_of_map(convolution(map, p[layer.depthwise], 1, 1, config_.width)));
  const Tensor hidden = at::relu(pointwise(y.mean(1, true), p[layer.squeeze]));
  const Tensor gate = at::sigmoid(pointwise(hidden, p[layer.excite]));
  return pointwise(y * gate, p[layer.leave]);
}

// [B,T,D] -> [B,T,D]
Tensor PatchConvNet::block(const Tensor& x, int layer, const Pass& pass) const {
  const ColumnBlockId& parts = parameters_.blocks[static_cast<std::size_t>(layer)];
  const StochasticDepth depth(pass, layer);
  const Bound p = bound();
  if (parts.batch_norm) {
    const Tensor computed = column(token_batch_norm(x, *parts.batch_norm, p, pass), parts);
    return depth.add_computed(x, computed, 0, p[parts.scale]);
  }
  return depth.add(x, x, 0,
                   {p[parts.norm], p[parts.enter.weight].scalar_type(), p[parts.scale],
                    [&](const Tensor& z) { return column(z, parts); }});
}

// Of each image, before they have seen it: [B,K,D].
Tensor PatchConvNet::class_tokens(const Tensor& patches) const {
  return bound()[parameters_.class_token].expand({patches.size(0), -1, -1});
}

// Patches [B,T,D] -> class tokens [B,K,D].
Tensor PatchConvNet::aggregated(const Tensor& patches) const {
  const Bound p = bound();
  return norm(class_block(class_tokens(patches), patches, parameters_.aggregation, 1, p),
              p[parameters_.norm]);
}

// What the head reads: [B,D], or a token for each class.
Tensor PatchConvNet::read(const Tensor& patches) const {
  const Tensor tokens = aggregated(patches);
  return config_.token_for_each_class ? tokens : tokens.select(1, 0);
}

// Features of blocks are class tokens that are made of their patches.
Features PatchConvNet::body(const Tensor& images, const Pass& pass) const {
  pass.enter(0);
  std::vector<Tensor> last_blocks;
  const Tensor x = run_blocks(embed(images), config_.depth, config_.checkpointing.blocks, pass,
                              [&](const Tensor& z, int layer, const Pass& now) {
                                Tensor out = block(z, layer, now);
                                if (layer >= config_.depth - now.features.blocks) last_blocks.push_back(out);
                                return out;
                              });
  pass.enter(static_cast<int>(config_.depth) + 1);
  Features features{read(x), {}};
  for (const Tensor& out : last_blocks) features.blocks.push_back(aggregated(out).mean(1));
  if (pass.features.mean) features.mean = norm(x, bound()[parameters_.norm]).mean(1);
  if (pass.features.attention) {
    features.attention =
        attention_maps(class_block_weights(class_tokens(x), x, parameters_.aggregation, 1, bound()),
                       config_.side(), config_.patch);
  }
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const PatchConvNetConfig& config) { return make_declared<PatchConvNet>(config); }

}  // namespace vitrail::models
