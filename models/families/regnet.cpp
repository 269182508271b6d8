#include "models/families/regnet.hpp"

#include <ATen/ATen.h>

#include "models/layers/layers.hpp"
#include "models/logits.hpp"
#include "trainer/base/error.hpp"

// B images, C channels, N pixels a side: [B,C,N,N].
namespace vitrail::models {
namespace {

using at::Tensor;

struct NormedConvolution {
  Tensor weight;
  Affine norm;
  Tensor mean, variance;
  std::int64_t stride = 1, groups = 1;

  Tensor operator()(const Tensor& x) const {
    constexpr double kEps = 1e-5;
    const std::int64_t side = weight.size(3);
    const Tensor y = convolution(x, {weight, {}}, stride, side / 2, groups);
    return at::batch_norm(y.to(norm.weight.scalar_type()), norm.weight, norm.bias, mean, variance, false, 0.0,
                          kEps, false);
  }
};

struct Bottleneck {
  NormedConvolution conv1, conv2, conv3, projection;
  Affine squeeze, excite;
  bool has_projection;

  Tensor operator()(const Tensor& x) const {
    const Tensor y = at::relu(conv2(at::relu(conv1(x))));
    const Tensor hidden = at::relu(convolution(y.mean({2, 3}, true), squeeze, 1, 0, 1));
    const Tensor gate = at::sigmoid(convolution(hidden, excite, 1, 0, 1));
    return at::relu(conv3(y * gate) + (has_projection ? projection(x) : x));
  }
};

class RegNet final : public Model {
 public:
  explicit RegNet(const RegNetConfig& config) : config_(config), specs_(config.parameters()) {}

  const ParameterSpecs& parameters() const override { return specs_; }
  void bind(const std::vector<Tensor>& tensors) override;
  Logits forward(const Tensor& images, const Pass& pass) const override;

 private:
  RegNetConfig config_;
  ParameterSpecs specs_;
  NormedConvolution stem_;
  std::vector<Bottleneck> blocks_;
  Affine head_;
};

void RegNet::bind(const std::vector<Tensor>& tensors) {
  const NamedTensors named(config_.name, specs_, tensors);
  const auto normed = [&](const std::string& name, std::int64_t stride, std::int64_t groups) {
    return NormedConvolution{named[name + ".conv.weight"],
                             named.affine(name + ".bn"),
                             named[name + ".bn.running_mean"],
                             named[name + ".bn.running_var"],
                             stride,
                             groups};
  };
  stem_ = normed("stem", 2, 1);
  blocks_.clear();
  for (const RegNetBlock& b : regnet_blocks(config_)) {
    const bool projects = b.has_projection();
    blocks_.push_back(
        {.conv1 = normed(b.name + ".conv1", 1, 1),
         .conv2 = normed(b.name + ".conv2", b.stride, b.out / config_.group),
         .conv3 = normed(b.name + ".conv3", 1, 1),
         .projection = projects ? normed(b.name + ".downsample", b.stride, 1) : NormedConvolution{},
         .squeeze = named.affine(b.name + ".se.fc1"),
         .excite = named.affine(b.name + ".se.fc2"),
         .has_projection = projects});
  }
  head_ = named.affine("head.fc");
}

Logits RegNet::forward(const Tensor& images, const Pass& pass) const {
  if (!head_.weight.defined()) throw Error(ExitCode::crash, config_.name + ": forward before bind");
  if (pass.training) {
    throw Error(ExitCode::refused, config_.name + " is a teacher for evaluation, it has no training",
                "set model.name to a model that trains, as `vitrail models` lists them");
  }
  check_images(images, config_.name, config_.image_size);
  pass.enter(0);
  Tensor x = at::relu(stem_(images));
  int entered = 0;
  for (const Bottleneck& block : blocks_) {
    pass.enter(++entered);
    x = block(x);
  }
  pass.enter(++entered);
  return {linear(x.mean({2, 3}), head_), {}};
}

}  // namespace

std::unique_ptr<Model> make(const RegNetConfig& config) { return std::make_unique<RegNet>(config); }

}  // namespace vitrail::models
