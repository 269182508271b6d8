#include "models/families/cait.hpp"

#include <ATen/ATen.h>

#include "models/layers/blocks.hpp"
#include "models/layers/layers.hpp"
#include "models/logits.hpp"
#include "models/layers/recompute.hpp"
#include "models/layers/stochastic_depth.hpp"
#include "models/kernels/talking_heads.hpp"
#include "trainer/base/error.hpp"

// B images, T patches, D width.
namespace vitrail::models {
namespace {

using at::Tensor;

struct TalkingAttention {  // a whole branch
  Affine norm, qkv, proj;
  TalkingHeads mix;
  Tensor scale;

  // [B,T,D] -> [B,T,D]
  Tensor operator()(const Tensor& x, std::int64_t heads) const {
    const auto parts = split_heads(linear(models::norm(x, norm), qkv), 3, heads);
    const Tensor mixed = talking_heads_attention(parts[0], parts[1], parts[2], mix);
    return scaled(linear(join_heads(mixed), proj), scale);
  }
};

struct ClassAttention {  // a whole branch: the class token asks, all tokens answer
  Affine norm, q, k, v, proj;
  Tensor scale;

  // class token [B,1,D], patches [B,T,D] -> [B,1,D]
  Tensor operator()(const Tensor& token, const Tensor& patches, std::int64_t heads) const {
    const Tensor all = models::norm(at::cat({token, patches}, 1), norm);
    const auto apart = [&](const Tensor& x, const Affine& p) {
      return split_heads(linear(x, p), 1, heads)[0];
    };
    const Tensor mixed = attention(apart(all.narrow(1, 0, 1), q), apart(all, k), apart(all, v));
    return scaled(linear(join_heads(mixed), proj), scale);
  }
};

struct SelfLayer {
  TalkingAttention attention;
  Mlp mlp;
};

struct ClassLayer {
  ClassAttention attention;
  Mlp mlp;
};

class Cait final : public Model {
 public:
  explicit Cait(const CaitConfig& config) : config_(config), specs_(config.parameters()) {}

  const ParameterSpecs& parameters() const override { return specs_; }
  void bind(const std::vector<Tensor>& tensors) override;
  Logits forward(const Tensor& images, const Pass& pass) const override;

 private:
  Tensor block(const Tensor& x, int layer, const Pass& pass) const;

  CaitConfig config_;
  ParameterSpecs specs_;
  Tensor class_token_, position_;
  Affine patch_, norm_, head_;
  std::vector<SelfLayer> self_layers_;
  std::vector<ClassLayer> class_layers_;
};

void Cait::bind(const std::vector<Tensor>& tensors) {
  const NamedTensors named(config_.name, specs_, tensors);
  const auto mlp = [&](const std::string& block) {
    return Mlp{named.affine(block + "norm2"), named.affine(block + "mlp.fc1"),
               named.affine(block + "mlp.fc2"), named.find(block + "gamma_2")};
  };
  class_token_ = named["cls_token"];
  position_ = named["pos_embed"];
  patch_ = named.affine("patch_embed.proj");
  self_layers_.clear();
  for (std::int64_t layer = 0; layer < config_.depth; ++layer) {
    const std::string block = fmt::format("blocks.{}.", layer), attn = block + "attn.";
    const Affine logits = named.affine(attn + "proj_l"), weights = named.affine(attn + "proj_w");
    self_layers_.push_back({{named.affine(block + "norm1"),
                             named.affine(attn + "qkv"),
                             named.affine(attn + "proj"),
                             {logits.weight, logits.bias, weights.weight, weights.bias},
                             named.find(block + "gamma_1")},
                            mlp(block)});
  }
  class_layers_.clear();
  for (std::int64_t layer = 0; layer < CaitConfig::kClassLayers; ++layer) {
    const std::string block = fmt::format("blocks_token_only.{}.", layer), attn = block + "attn.";
    class_layers_.push_back(
        {{named.affine(block + "norm1"), named.affine(attn + "q"), named.affine(attn + "k"),
          named.affine(attn + "v"), named.affine(attn + "proj"), named.find(block + "gamma_1")},
         mlp(block)});
  }
  norm_ = named.affine("norm");
  head_ = named.affine("head");
}

// [B,T,D] -> [B,T,D]
Tensor Cait::block(const Tensor& x, int layer, const Pass& pass) const {
  const SelfLayer& p = self_layers_[static_cast<std::size_t>(layer)];
  const StochasticDepth depth{pass, pass.drop_path_scale * config_.drop_path_of(layer), layer, 2};
  const Branch attention = [&p, heads = config_.heads](const Tensor& z) { return p.attention(z, heads); };
  const Tensor attended =
      depth.add(x, x, 0, config_.checkpointing.attention ? recomputed(attention) : attention);
  return depth.add(attended, attended, 1, [&p](const Tensor& z) { return p.mlp(z); });
}

Logits Cait::forward(const Tensor& images, const Pass& pass) const {
  if (!head_.weight.defined()) throw Error(ExitCode::crash, config_.name + ": forward before bind");
  check_images(images, config_.name, config_.image_size);
  pass.enter(0);
  const Tensor patches =
      run_blocks(embed_patches(images, patch_, config_) + position_, config_, pass,
                 [this](const Tensor& z, int layer, const Pass& p) { return block(z, layer, p); });
  int entered = static_cast<int>(config_.depth);
  Tensor token = class_token_.expand({images.size(0), -1, -1});
  for (const ClassLayer& layer : class_layers_) {
    pass.enter(++entered);
    token = token + layer.attention(token, patches, config_.heads);
    token = token + layer.mlp(token);
  }
  pass.enter(++entered);
  return {linear(norm(token.select(1, 0), norm_), head_), {}};
}

}  // namespace

std::unique_ptr<Model> make(const CaitConfig& config) { return std::make_unique<Cait>(config); }

}  // namespace vitrail::models
