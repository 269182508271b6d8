#include "models/families/regnet/regnet.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/make_declared.hpp"
#include "models/features.hpp"
#include "models/layers/batch_norm.hpp"
#include "models/layers/stochastic_depth.hpp"

// B images, C channels, N pixels a side: [B,C,N,N].
namespace vitrail::models {
namespace {

using at::Tensor;

class RegNet final : public Model {
 public:
  RegNet(const RegNetConfig& config, const Declaration& declared, RegNetParameters parameters)
      : Model(config.name, config.image_size, declared.parameters(), parameters.head,
              config.drop_paths(parameters.blocks.size(), 1)),
        parameters_(std::move(parameters)) {}

 private:
  std::optional<std::int64_t> smallest_view() const override { return RegNetConfig::smallest_view(); }
  Features body(const Tensor& images, const Pass& pass) const override;
  Tensor block(const Tensor& x, int number, const Pass& pass) const;

  RegNetParameters parameters_;
};

Tensor RegNet::block(const Tensor& x, int number, const Pass& pass) const {
  const Bound p = bound();
  const BottleneckId& layers = parameters_.blocks[static_cast<std::size_t>(number)];
  const NormTail rectified{.rectified = true};
  const Tensor narrow = normed_convolution(x, layers.conv1, 1, 1, p, pass, rectified);
  const Tensor y = normed_convolution(narrow, layers.conv2, layers.stride, layers.groups, p, pass, rectified);
  const Tensor hidden = at::relu(convolution(y.mean({2, 3}, true), p[layers.squeeze], 1, 0, 1));
  const Tensor gate = at::sigmoid(convolution(hidden, p[layers.excite], 1, 0, 1));
  const Tensor input =
      layers.projection ? normed_convolution(x, *layers.projection, layers.stride, 1, p, pass) : x;
  const StochasticDepth depth(pass, number);
  return add_rectified(depth, input, 0, [&](const NormTail& tail) {
    return normed_convolution(y * gate, layers.conv3, 1, 1, p, pass, tail);
  });
}

Features RegNet::body(const Tensor& images, const Pass& pass) const {
  pass.enter(0);
  Tensor x = normed_convolution(images, parameters_.stem, 2, 1, bound(), pass, {.rectified = true});
  const int blocks = static_cast<int>(parameters_.blocks.size());
  Features features;
  for (int number = 0; number < blocks; ++number) {
    pass.enter(number + 1);
    x = block(x, number, pass);
    if (number >= blocks - pass.features.blocks) features.blocks.push_back(x.mean({2, 3}));
  }
  pass.enter(blocks + 1);
  features.pooled = x.mean({2, 3});
  if (pass.features.mean) features.mean = features.pooled;
  return features;
}

}  // namespace

std::unique_ptr<Model> make(const RegNetConfig& config) { return make_declared<RegNet>(config); }

}  // namespace vitrail::models
