#include "models/families/cait/cait_config.hpp"

#include <array>

#include <fmt/format.h>

#include "models/kernels/talking_heads/talking_heads_kernels.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

struct CaitRow {
  ModelNames names;
  TransformerSize size;  // patch, width, depth, heads
};

// Heads of 48 channels. B12 is the paper's step between DeiT-B and CaiT (table 3).
constexpr std::array<CaitRow, 11> kCaitRows = {{
    {{"cait_xxs24", {"cait_xxs24_224", "cait_xxs24_384"}}, {16, 192, 24, 4}},
    {{"cait_xxs36", {"cait_xxs36_224", "cait_xxs36_384"}}, {16, 192, 36, 4}},
    {{"cait_xs24", {"cait_xs24_384"}}, {16, 288, 24, 6}},
    {{"cait_xs36"}, {16, 288, 36, 6}},
    {{"cait_s24", {"cait_s24_224", "cait_s24_384"}}, {16, 384, 24, 8}},
    {{"cait_s36", {"cait_s36_384"}}, {16, 384, 36, 8}},
    {{"cait_s48"}, {16, 384, 48, 8}},
    {{"cait_b12"}, {16, 768, 12, 16}},
    {{"cait_m24"}, {16, 768, 24, 16}},
    {{"cait_m36", {"cait_m36_384"}}, {16, 768, 36, 16}},
    {{"cait_m48", {"cait_m48_448"}}, {16, 768, 48, 16}},
}};

// timm's order: the gains of a block come first.
CaitBlockId declare_block(Declaration& d, std::int64_t layer, const CaitConfig& cait) {
  const std::string name = fmt::format("blocks.{}.", layer);
  const std::int64_t width = cait.width, patches = cait.patches(), heads = cait.heads;
  CaitBlockId block;
  const auto attention_scale = d.layer_scale(name + "gamma_1", width, cait.layer_scale);
  const auto mlp_scale = d.layer_scale(name + "gamma_2", width, cait.layer_scale);
  block.attention = d.branch(attention_branch(cait, layer, patches, patches), [&] {
    TalkingAttentionId branch{
        declare_attention(d, name + "norm1", name + "attn", width, patches), {}, {}, {}};
    d.computes(2 * patches * patches * heads * heads);
    branch.logits =
        d.linear(name + "attn.proj_l", heads, heads, 0);  // counted above, for each pair of tokens
    branch.weights = d.linear(name + "attn.proj_w", heads, heads, 0);
    return branch;
  });
  block.attention.scale = attention_scale;
  block.mlp = d.branch(mlp_branch(cait, layer, patches, patches),
                       [&] { return declare_mlp(d, name + "norm2", name + "mlp", width, patches); });
  block.mlp.scale = mlp_scale;
  return block;
}

}  // namespace

std::vector<ModelNames> CaitConfig::names() { return names_of(kCaitRows); }

CaitConfig CaitConfig::resolve(const ModelConfig& config) {
  const CaitRow& row = row_named(kCaitRows, config.name);
  const std::string name(row.names.name);
  if (config.parallel.value_or(1) != 1) {
    throw Error(ExitCode::refused, fmt::format("model.parallel = {}: the blocks of {} have no parallel form",
                                               *config.parallel, name));
  }
  // XXS-36 is trained with 1e-5 by its authors' code, where the paper's rule says 1e-6.
  const bool named_depth = !config.depth || *config.depth == row.size.depth;
  const double scale = name == "cait_xxs36" && named_depth
                           ? 1e-5
                           : layer_scale_by_depth(config.depth.value_or(row.size.depth));
  CaitConfig cait{transformer_config(config, name, row.size, scale, DropPathLaw::constant)};
  if (cait.heads > kMaxTalkingHeads) {
    throw Error(ExitCode::refused, fmt::format("model.heads = {}: talking heads are mixed up to {} of them",
                                               cait.heads, kMaxTalkingHeads));
  }
  return cait;
}

CaitParameters CaitConfig::declare(Declaration& d) const {
  const int blocks = static_cast<int>(depth), class_blocks = static_cast<int>(kClassLayers);
  CaitParameters p;
  d.segments(checkpointing.blocks, patches() * width);
  d.enter(blocks + 1, 0);  // the class token joins after the patches' blocks
  p.class_token = d.token("cls_token", width);
  d.enter(0, 0);
  p.position = d.position("pos_embed", patches(), width);
  p.patch = d.patch_embedding("patch_embed.proj", width, patch, patches());
  for (int layer = 0; layer < blocks; ++layer) {
    d.enter(layer + 1, layer + 1);
    p.blocks.push_back(declare_block(d, layer, *this));
  }
  for (int layer = 0; layer < class_blocks; ++layer) {  // for layer decay beside the last blocks
    d.enter(blocks + layer + 1, blocks - class_blocks + layer + 1);
    p.class_blocks.push_back(
        declare_class_block(d, fmt::format("blocks_token_only.{}.", layer),
                            {.width = width, .patches = patches(), .layer_scale = layer_scale}));
  }
  d.enter(blocks + class_blocks + 1, blocks);
  p.norm = d.norm("norm", width, tokens());
  d.enter(blocks + class_blocks + 1, blocks + 1);
  p.head.classes = d.head("head", classes, width);
  return p;
}

}  // namespace vitrail::models
