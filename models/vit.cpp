#include "models/vit.hpp"

#include <map>
#include <string>

#include <torch/torch.h>

#include "models/drop_path_mask.hpp"
#include "models/stochastic_depth.hpp"
#include "trainer/base/error.hpp"

// B images, T tokens (1 + G*G patches), D width, H heads, P pixels of a patch side.
namespace vitrail::models {
namespace {

using at::Tensor;

constexpr double kNormEps = 1e-6;

struct Affine {  // of a linear layer or a norm
  Tensor weight, bias;
};

struct Block {
  Affine norm1, qkv, proj;
  Tensor scale1;  // undefined without LayerScale
  Affine norm2, fc1, fc2;
  Tensor scale2;
};

Tensor norm(const Tensor& x, const Affine& p) {
  return at::layer_norm(x, {x.size(-1)}, p.weight, p.bias, kNormEps);
}

Tensor linear(const Tensor& x, const Affine& p) { return at::linear(x, p.weight, p.bias); }

Tensor scaled(const Tensor& x, const Tensor& gamma) { return gamma.defined() ? x * gamma : x; }

// [B,T,D] -> [B,T,D]
Tensor attention(const Tensor& x, const Block& p, std::int64_t heads) {
  const std::int64_t images = x.size(0), tokens = x.size(1), width = x.size(2);
  const Tensor qkv =
      linear(x, p.qkv).view({images, tokens, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
  const Tensor mixed = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]);  // [B,H,T,D/H]
  return linear(mixed.transpose(1, 2).reshape({images, tokens, width}), p.proj);
}

Tensor mlp(const Tensor& x, const Block& p) { return linear(at::gelu(linear(x, p.fc1)), p.fc2); }

class Vit final : public Model {
 public:
  explicit Vit(const VitConfig& config) : config_(config), specs_(vit_parameters(config)) {}

  const std::vector<ParameterSpec>& parameters() const override { return specs_; }
  void bind(const std::vector<Tensor>& tensors) override;
  Tensor forward(const Tensor& images, const Pass& pass) const override;

 private:
  void check(const Tensor& images) const;
  Tensor embed(const Tensor& images) const;
  Tensor add_branch(const Tensor& x, const Pass& pass, int layer, int branch, const Branch& compute) const;

  VitConfig config_;
  std::vector<ParameterSpec> specs_;
  Tensor class_token_, position_;
  Affine patch_, norm_, head_;
  std::vector<Block> blocks_;
};

void Vit::bind(const std::vector<Tensor>& tensors) {
  if (tensors.size() != specs_.size()) {
    throw Error(ExitCode::crash, fmt::format("{}: {} tensors bound to {} parameters", config_.name,
                                             tensors.size(), specs_.size()));
  }
  std::map<std::string, Tensor> named;
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (tensors[i].sizes() != at::IntArrayRef(specs_[i].shape)) {
      throw Error(ExitCode::crash, fmt::format("{}: parameter {} is {}, the tensor bound to it {}",
                                               config_.name, specs_[i].name, format_shape(specs_[i].shape),
                                               format_shape(tensors[i].sizes().vec())));
    }
    named.emplace(specs_[i].name, tensors[i]);
  }
  const auto affine = [&](const std::string& name) {
    return Affine{named.at(name + ".weight"), named.at(name + ".bias")};
  };
  const auto gamma = [&](const std::string& name) {
    return config_.layer_scale > 0 ? named.at(name) : Tensor();
  };

  class_token_ = named.at("cls_token");
  position_ = named.at("pos_embed");
  patch_ = affine("patch_embed.proj");
  blocks_.clear();
  for (std::int64_t layer = 0; layer < config_.depth; ++layer) {
    const std::string block = fmt::format("blocks.{}.", layer);
    blocks_.push_back({.norm1 = affine(block + "norm1"),
                       .qkv = affine(block + "attn.qkv"),
                       .proj = affine(block + "attn.proj"),
                       .scale1 = gamma(block + "ls1.gamma"),
                       .norm2 = affine(block + "norm2"),
                       .fc1 = affine(block + "mlp.fc1"),
                       .fc2 = affine(block + "mlp.fc2"),
                       .scale2 = gamma(block + "ls2.gamma")});
  }
  norm_ = affine("norm");
  head_ = affine("head");
}

void Vit::check(const Tensor& images) const {
  if (!head_.weight.defined()) throw Error(ExitCode::crash, config_.name + ": forward before bind");
  const std::int64_t side = config_.image_size;
  if (images.dim() == 4 && images.sizes().slice(1) == at::IntArrayRef({3, side, side})) return;
  throw Error(
      ExitCode::refused,
      fmt::format("{} takes images of shape [B, 3, {}, {}], got {}: set model.image_size to their size",
                  config_.name, side, side, format_shape(images.sizes().vec())));
}

// [B,3,S,S] -> [B,T,D]. Patches are cut out and multiplied, not convolved: a matrix product's weight gradient
// has the same bits for any number of threads, a convolution's has not.
Tensor Vit::embed(const Tensor& images) const {
  const std::int64_t count = images.size(0), grid = config_.grid(), patch = config_.patch;
  const Tensor patches = images.narrow(2, 0, grid * patch)
                             .narrow(3, 0, grid * patch)
                             .reshape({count, 3, grid, patch, grid, patch})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({count, grid * grid, 3 * patch * patch});
  const Tensor embedded = at::linear(patches, patch_.weight.flatten(1), patch_.bias) + position_;
  return at::cat({class_token_.expand({count, -1, -1}), embedded}, 1);
}

Tensor Vit::add_branch(const Tensor& x, const Pass& pass, int layer, int branch,
                       const Branch& compute) const {
  const double rate = pass.training ? config_.drop_path : 0.0;
  if (rate == 0) return x + compute(x);
  const std::int64_t images = x.size(0);
  const auto kept = pass.kept_images
                        ? pass.kept_images(layer, branch, images)
                        : draw_kept_images({pass.seed, pass.step, pass.lane, layer, branch}, rate, images);
  return add_to_kept(x, kept, 1.0 / (1.0 - rate), compute);
}

Tensor Vit::forward(const Tensor& images, const Pass& pass) const {
  check(images);
  const auto enter = [&](int block) {
    if (pass.before_block) pass.before_block(block);
  };
  const int depth = static_cast<int>(config_.depth);
  enter(0);
  Tensor x = embed(images);
  for (int layer = 0; layer < depth; ++layer) {
    enter(layer + 1);
    const Block& p = blocks_[static_cast<std::size_t>(layer)];
    x = add_branch(x, pass, layer, 0, [&](const Tensor& z) {
      return scaled(attention(norm(z, p.norm1), p, config_.heads), p.scale1);
    });
    x = add_branch(x, pass, layer, 1,
                   [&](const Tensor& z) { return scaled(mlp(norm(z, p.norm2), p), p.scale2); });
  }
  enter(depth + 1);
  return linear(norm(x.select(1, 0), norm_), head_);
}

}  // namespace

std::unique_ptr<Model> make_vit(const VitConfig& config) { return std::make_unique<Vit>(config); }

}  // namespace vitrail::models
