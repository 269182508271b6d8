#include "models/families/resnet/resnet.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/layers/batch_norm.hpp"
#include "models/layers/layers.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, C channels, N pixels a side: [B,C,N,N].
namespace vitrail::models {
namespace {

using at::Tensor;

class ResNet final : public Model {
 public:
  ResNet(const ResNetConfig& config, const Declaration& declared, ResNetParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head,
              config.drop_paths(parameters.blocks.size(), 1)),
        smallest_view_(config.smallest_view()),
        parameters_(std::move(parameters)) {}

 private:
  std::optional<std::int64_t> smallest_view() const override { return smallest_view_; }
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor block(const Tensor& x, int number, const Pass& pass) const;
  Tensor pooled(const Tensor& x) const;
  std::optional<AttentionMaps> attention(const Tensor& x) const;

  const std::optional<std::int64_t> smallest_view_;
  ResNetParameters parameters_;
};

Tensor ResNet::block(const Tensor& x, int number, const Pass& pass) const {
  const Bound p = bound();
  const ResidualId& layers = parameters_.blocks[static_cast<std::size_t>(number)];
  const Tensor input =
      layers.projection ? normed_convolution(x, *layers.projection, layers.stride, 1, p, pass) : x;
  const StochasticDepth depth(pass, number);
  const std::size_t last = layers.convolutions.size() - 1;
  Tensor branch = x;
  for (std::size_t i = 0; i < last; ++i) {
    branch = normed_convolution(branch, layers.convolutions[i], layers.stride_of(i), 1, p, pass,
                                {.rectified = true});
  }
  return add_rectified(depth, input, 0, [&](const NormTail& tail) {
    return normed_convolution(branch, layers.convolutions[last], layers.stride_of(last), 1, p, pass, tail);
  });
}

// [B,C,N,N] -> [B,C]
Tensor ResNet::pooled(const Tensor& x) const {
  if (!parameters_.pooling) return x.mean({2, 3});
  const Bound p = bound();
  const AttentionPoolingId& pooling = *parameters_.pooling;
  const Tensor token = p[pooling.class_token].expand({x.size(0), -1, -1});
  return norm(class_block(token, tokens_of(x), pooling.block, 1, p).select(1, 0), p[pooling.norm]);
}

// Of attention pooling, where there is one; a pixel of the last map stands for 32.
std::optional<AttentionMaps> ResNet::attention(const Tensor& x) const {
  if (!parameters_.pooling) return std::nullopt;
  const Bound p = bound();
  const Tensor token = p[parameters_.pooling->class_token].expand({x.size(0), -1, -1});
  return attention_maps(class_block_weights(token, tokens_of(x), parameters_.pooling->block, 1, p), x.size(2),
                        32);
}

// Stages before the last have other channels than attention pooling: features of theirs are means.
Features ResNet::body(const Tensor& images, const Pass& pass) const {
  pass.enter(0);
  Tensor x = normed_convolution(images, parameters_.stem, 2, 1, bound(), pass, {.rectified = true});
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  const int blocks = static_cast<int>(parameters_.blocks.size());
  Features features;
  for (int number = 0; number < blocks; ++number) {
    pass.enter(number + 1);
    x = block(x, number, pass);
    if (number >= blocks - pass.features.blocks) features.blocks.push_back(x.mean({2, 3}));
  }
  pass.enter(blocks + 1);
  features.pooled = pooled(x);
  if (pass.features.mean) features.mean = x.mean({2, 3});
  if (pass.features.attention) features.attention = attention(x);
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const ResNetConfig& config) { return make_declared<ResNet>(config); }

}  // namespace vitrail::models
