// The numbers that ViT and CaiT share, and the parts that both are made of. Throws: Error(refused) for
// numbers that make no network, naming the key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/declaration.hpp"
#include "models/layers/activation_checkpointing.hpp"
#include "models/layers/drop_path_mask.hpp"
#include "models/model_config.hpp"

namespace vitrail::models {

inline constexpr std::int64_t kMlpRatio = 4;

// The first value of LayerScale in CaiT and ResMLP.
constexpr double layer_scale_by_depth(std::int64_t depth) {
  return depth <= 18 ? 0.1 : depth <= 24 ? 1e-5 : 1e-6;
}

void require(bool holds, const std::string& message);  // or refused

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
  // Side of the smallest images of another size that it can look at as well; absent: of none.
  std::optional<std::int64_t> smallest_view() const { return std::nullopt; }
  DropPath drop_paths(int branches) const;
};

// `config` with the named model's own numbers where it gives none.
TransformerConfig transformer_config(const ModelConfig& config, const std::string& name,
                                     const TransformerSize& own, double own_layer_scale, DropPathLaw own_law);

// How the two kinds of branches look to stochastic depth and to backward, in a block that is computed for
// `tokens` tokens; of its outputs `read` are computed.
BranchCost attention_branch(const TransformerConfig& config, std::int64_t layer, std::int64_t tokens,
                            std::int64_t read);
BranchCost mlp_branch(const TransformerConfig& config, std::int64_t layer, std::int64_t tokens,
                      std::int64_t read);

// The parts that all of them have: qkv and proj with their products, and two linear layers.
SelfAttentionId declare_attention(Declaration& d, const std::string& norm, const std::string& attention,
                                  std::int64_t width, std::int64_t tokens);
MlpId declare_mlp(Declaration& d, const std::string& norm, const std::string& mlp, std::int64_t width,
                  std::int64_t tokens, std::int64_t ratio = kMlpRatio);

struct ClassBlockForm {
  std::int64_t width = 0, asking = 1, patches = 0;
  double layer_scale = 0;
  std::int64_t mlp_ratio = kMlpRatio;
  bool patches_answer_alone = false;
};
ClassBlockId declare_class_block(Declaration& d, const std::string& name, const ClassBlockForm& form);
ClassAttentionId declare_class_attention(Declaration& d, const std::string& name, std::int64_t width,
                                         std::int64_t asking, std::int64_t answering);

}  // namespace vitrail::models
