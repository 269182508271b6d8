#include "models/families/vit.hpp"

#include <ATen/ATen.h>

#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/logits.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"
#include "trainer/base/error.hpp"

// B images, T tokens (one or two, then G*G patches), D width.
namespace vitrail::models {
namespace {

using at::Tensor;

struct AttentionBranch {  // a whole branch
  Affine norm, qkv, proj;
  Tensor scale;

  // [B,T,D] -> [B,T,D]
  Tensor operator()(const Tensor& x, std::int64_t heads) const {
    const auto qkv_of_heads = split_heads(linear(models::norm(x, norm), qkv), 3, heads);
    const Tensor mixed = attention(qkv_of_heads[0], qkv_of_heads[1], qkv_of_heads[2]);
    return scaled(linear(join_heads(mixed), proj), scale);
  }
};

struct VitBlock {  // one of each, or several in parallel
  std::vector<AttentionBranch> attentions;
  std::vector<Mlp> mlps;
};

class Vit final : public Model {
 public:
  explicit Vit(const VitConfig& config) : config_(config), specs_(config.parameters()) {}

  const ParameterSpecs& parameters() const override { return specs_; }
  void bind(const std::vector<Tensor>& tensors) override;
  Logits forward(const Tensor& images, const Pass& pass) const override;

 private:
  Tensor embed(const Tensor& images) const;
  Tensor block(const Tensor& x, int layer, const Pass& pass) const;

  VitConfig config_;
  ParameterSpecs specs_;
  Tensor class_token_, distillation_token_, position_;
  Affine patch_, norm_, head_, distillation_head_;
  std::vector<VitBlock> blocks_;
};

void Vit::bind(const std::vector<Tensor>& tensors) {
  const NamedTensors named(config_.name, specs_, tensors);
  const auto attention = [&](const std::string& norm, const std::string& name, const std::string& scale) {
    return AttentionBranch{named.affine(norm), named.affine(name + ".qkv"), named.affine(name + ".proj"),
                           named.find(scale + ".gamma")};
  };
  const auto mlp = [&](const std::string& norm, const std::string& name, const std::string& scale) {
    return Mlp{named.affine(norm), named.affine(name + ".fc1"), named.affine(name + ".fc2"),
               named.find(scale + ".gamma")};
  };
  class_token_ = named["cls_token"];
  position_ = named["pos_embed"];
  patch_ = named.affine("patch_embed.proj");
  blocks_.clear();
  for (std::int64_t layer = 0; layer < config_.depth; ++layer) {
    const std::string name = fmt::format("blocks.{}.", layer);
    VitBlock& block = blocks_.emplace_back();
    if (config_.parallel == 1) {
      block.attentions.push_back(attention(name + "norm1", name + "attn", name + "ls1"));
      block.mlps.push_back(mlp(name + "norm2", name + "mlp", name + "ls2"));
      continue;
    }
    for (std::int64_t i = 0; i < config_.parallel; ++i) {
      const std::string attn = fmt::format("{}attns.{}.", name, i), ffn = fmt::format("{}ffns.{}.", name, i);
      block.attentions.push_back(attention(attn + "norm", attn + "attn", attn + "ls"));
      block.mlps.push_back(mlp(ffn + "norm", ffn + "mlp", ffn + "ls"));
    }
  }
  norm_ = named.affine("norm");
  head_ = named.affine("head");
  if (!config_.distilled) return;
  distillation_token_ = named["dist_token"];
  distillation_head_ = named.affine("head_dist");
}

// [B,3,S,S] -> [B,T,D]
Tensor Vit::embed(const Tensor& images) const {
  const Tensor patches = embed_patches(images, patch_, config_);
  std::vector<Tensor> parts = {class_token_.expand({images.size(0), -1, -1})};
  if (config_.distilled) parts.push_back(distillation_token_.expand({images.size(0), -1, -1}));
  parts.push_back(config_.tokens_have_position ? patches : patches + position_);
  const Tensor tokens = at::cat(parts, 1);
  return config_.tokens_have_position ? tokens + position_ : tokens;
}

// [B,T,D] -> [B,T,D]
Tensor Vit::block(const Tensor& x, int layer, const Pass& pass) const {
  const VitBlock& p = blocks_[static_cast<std::size_t>(layer)];
  const int parallel = static_cast<int>(config_.parallel);
  const StochasticDepth depth{pass, pass.drop_path_scale * config_.drop_path_of(layer), layer, 2 * parallel};
  Tensor attended = x;
  for (int i = 0; i < parallel; ++i) {
    const AttentionBranch& attention = p.attentions[static_cast<std::size_t>(i)];
    const Branch branch = [&attention, heads = config_.heads](const Tensor& z) {
      return attention(z, heads);
    };
    attended = depth.add(attended, x, i, config_.checkpointing.attention ? recomputed(branch) : branch);
  }
  Tensor out = attended;
  for (int i = 0; i < parallel; ++i) {
    const Mlp& mlp = p.mlps[static_cast<std::size_t>(i)];
    out = depth.add(out, attended, parallel + i, [&mlp](const Tensor& z) { return mlp(z); });
  }
  return out;
}

Logits Vit::forward(const Tensor& images, const Pass& pass) const {
  if (!head_.weight.defined()) throw Error(ExitCode::crash, config_.name + ": forward before bind");
  check_images(images, config_.name, config_.image_size);
  pass.enter(0);
  const Tensor x =
      run_blocks(embed(images), config_, pass,
                 [this](const Tensor& z, int layer, const Pass& p) { return block(z, layer, p); });
  pass.enter(static_cast<int>(config_.depth) + 1);
  Logits logits{linear(norm(x.select(1, 0), norm_), head_), {}};
  if (config_.distilled) logits.distillation = linear(norm(x.select(1, 1), norm_), distillation_head_);
  return logits;
}

}  // namespace

std::unique_ptr<Model> make(const VitConfig& config) { return std::make_unique<Vit>(config); }

}  // namespace vitrail::models
