// The numbers that ViT and CaiT share, and what the parts they are made of cost. Throws: Error(refused) for
// numbers that make no network, naming the key.
#pragma once

#include <cstdint>
#include <string>

#include "models/layers/activation_checkpointing.hpp"
#include "models/model_config.hpp"

namespace vitrail::models {

inline constexpr std::int64_t kMlpRatio = 4;

struct TransformerSize {
  std::int64_t patch, width, depth, heads;
};

struct TransformerConfig {
  std::string name;  // ours, also where the user gave timm's
  std::int64_t patch = 16, width = 384, depth = 12, heads = 6;
  std::int64_t image_size = 224, classes = 1000;
  double drop_path = 0, layer_scale = 0;
  DropPathLaw drop_path_law = DropPathLaw::constant;
  ActivationCheckpointing checkpointing;

  // Patches per side. Pixels that fill no whole patch, at the right and the bottom, are not looked at.
  std::int64_t grid() const { return image_size / patch; }
  std::int64_t patches() const { return grid() * grid(); }
  std::int64_t pixels_used() const { return grid() * patch; }  // per side
  double drop_path_of(std::int64_t layer) const;
  double layers_computed() const;  // of `depth`, in training: what stochastic depth leaves on average
};

// `config` with the named model's own numbers where it gives none.
TransformerConfig transformer_config(const ModelConfig& config, const std::string& name,
                                     const TransformerSize& own, double own_layer_scale, DropPathLaw own_law);

// Multiply-accumulates for one image: fvcore's rule (linear layers, matrix products, 5 per LayerNorm
// element), which the papers' tables follow.
std::int64_t patch_embedding_macs(const TransformerConfig& config);
std::int64_t norm_macs(std::int64_t tokens, std::int64_t width);
std::int64_t attention_macs(std::int64_t tokens, std::int64_t width);  // with its norm
std::int64_t mlp_macs(std::int64_t tokens, std::int64_t width);        // with its norm

// Numbers of one image that the blocks' forward passes keep for their backward passes: attention without
// stored probabilities, of each branch the share that stochastic depth computes, and of what is computed
// again the largest part. `parallel`: attention branches of a block, and MLPs.
std::int64_t kept_by_blocks(const TransformerConfig& config, std::int64_t tokens, std::int64_t parallel);

}  // namespace vitrail::models
