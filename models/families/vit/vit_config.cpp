#include "models/families/vit/vit_config.hpp"

#include <array>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

enum class Form { deit3, deit3_hmlp, deit, deit_distilled };

struct VitRow {
  ModelNames names;
  TransformerSize size;  // patch, width, depth, heads
  Form form = Form::deit3;
  std::int64_t parallel = 1;
};

// vit_xxs4 is ours, for images of some 30 pixels; the rest are published: Touvron et al. 2022 (table 1), 2022
// ("Three things everyone should know about vision transformers") and 2021 (DeiT). timm's own networks of 18
// x 2 blocks give the class token a position, which the paper's have not: they are no aliases.
constexpr std::array<VitRow, 24> kVitRows = {{
    {{"vit_xxs4"}, {4, 128, 6, 4}},
    {{"vit_ti16"}, {16, 192, 12, 3}},
    {{"vit_s16", {"deit3_small_patch16_224", "deit3_small_patch16_384"}}, {16, 384, 12, 6}},
    {{"vit_b16", {"deit3_base_patch16_224", "deit3_base_patch16_384"}}, {16, 768, 12, 12}},
    {{"vit_l16", {"deit3_large_patch16_224", "deit3_large_patch16_384"}}, {16, 1024, 24, 16}},
    {{"vit_h14", {"deit3_huge_patch14_224"}}, {14, 1280, 32, 16}},
    {{"vit_ti16_hmlp"}, {16, 192, 12, 3}, Form::deit3_hmlp},
    {{"vit_s16_hmlp"}, {16, 384, 12, 6}, Form::deit3_hmlp},
    {{"vit_b16_hmlp"}, {16, 768, 12, 12}, Form::deit3_hmlp},
    {{"vit_l16_hmlp"}, {16, 1024, 24, 16}, Form::deit3_hmlp},
    {{"vit_h14_52"}, {14, 1280, 52, 16}},
    {{"vit_h14_26x2"}, {14, 1280, 26, 16}, Form::deit3, 2},
    {{"vit_s16_36"}, {16, 384, 36, 6}},
    {{"vit_s16_18x2"}, {16, 384, 18, 6}, Form::deit3, 2},
    {{"vit_b16_36"}, {16, 768, 36, 12}},
    {{"vit_b16_18x2"}, {16, 768, 18, 12}, Form::deit3, 2},
    {{"deit_ti16", {"deit_tiny_patch16_224", "vit_tiny_patch16_224", "vit_tiny_patch16_384"}},
     {16, 192, 12, 3},
     Form::deit},
    {{"deit_s16", {"deit_small_patch16_224", "vit_small_patch16_224", "vit_small_patch16_384"}},
     {16, 384, 12, 6},
     Form::deit},
    {{"deit_b16",
      {"deit_base_patch16_224", "deit_base_patch16_384", "vit_base_patch16_224", "vit_base_patch16_384"}},
     {16, 768, 12, 12},
     Form::deit},
    {{"deit_l16", {"vit_large_patch16_224", "vit_large_patch16_384"}}, {16, 1024, 24, 16}, Form::deit},
    {{"deit_h14", {"vit_huge_patch14_224"}}, {14, 1280, 32, 16}, Form::deit},
    {{"deit_ti16_distilled", {"deit_tiny_distilled_patch16_224"}}, {16, 192, 12, 3}, Form::deit_distilled},
    {{"deit_s16_distilled", {"deit_small_distilled_patch16_224"}}, {16, 384, 12, 6}, Form::deit_distilled},
    {{"deit_b16_distilled", {"deit_base_distilled_patch16_224", "deit_base_distilled_patch16_384"}},
     {16, 768, 12, 12},
     Form::deit_distilled},
}};

VitAttentionId declare_attention_branch(Declaration& d, const std::string& norm, const std::string& attention,
                                        const std::string& scale, const VitConfig& vit) {
  VitAttentionId branch{declare_attention(d, norm, attention, vit.width, vit.tokens_in_training()), {}};
  branch.scale = d.layer_scale(scale + ".gamma", vit.width, vit.layer_scale);
  return branch;
}

MlpId declare_mlp_branch(Declaration& d, const std::string& norm, const std::string& mlp,
                         const std::string& scale, const VitConfig& vit) {
  MlpId branch = declare_mlp(d, norm, mlp, vit.width, vit.tokens_in_training());
  branch.scale = d.layer_scale(scale + ".gamma", vit.width, vit.layer_scale);
  return branch;
}

// A byte for each element of `tensors` that are dropped from: half a number in halves.
std::int64_t kept_masks(const VitConfig& vit, std::int64_t tensors) {
  return vit.dropout > 0 ? tensors * vit.tokens() * vit.width / 2 : 0;
}

VitBlockId declare_block(Declaration& d, std::int64_t layer, const VitConfig& vit) {
  const std::string name = fmt::format("blocks.{}.", layer);
  const std::int64_t read = vit.patches_are_read(layer) ? vit.tokens_in_training() : vit.added_tokens();
  VitBlockId block;
  for (std::int64_t i = 0; i < vit.parallel; ++i) {
    BranchCost branch = attention_branch(vit, layer, vit.tokens_in_training(), read);
    branch.kept += kept_masks(vit, 1);
    branch.shares_input = i > 0;
    const std::string one = vit.parallel == 1 ? name : fmt::format("{}attns.{}.", name, i);
    const char* const number = vit.parallel == 1 ? "1" : "";
    block.attentions.push_back(d.branch(branch, [&] {
      return declare_attention_branch(d, one + "norm" + number, one + "attn", one + "ls" + number, vit);
    }));
  }
  for (std::int64_t i = 0; i < vit.parallel; ++i) {
    BranchCost branch = mlp_branch(vit, layer, vit.tokens_in_training(), read);
    branch.kept += kept_masks(vit, 1 + kMlpRatio);
    branch.shares_input = i > 0;
    const std::string one = vit.parallel == 1 ? name : fmt::format("{}ffns.{}.", name, i);
    const char* const number = vit.parallel == 1 ? "2" : "";
    block.mlps.push_back(d.branch(branch, [&] {
      return declare_mlp_branch(d, one + "norm" + number, one + "mlp", one + "ls" + number, vit);
    }));
  }
  return block;
}

// Names of DeiT's code. Kept: what each layer and its norm read, and GELU.
HmlpStemId declare_hmlp(Declaration& d, const VitConfig& vit) {
  HmlpStemId stem;
  const std::int64_t inner = vit.width / 4;
  const std::array<Kernel, 3> kernels = {{{inner, 3, 4}, {inner, inner, 2}, {vit.width, inner, 2}}};
  std::int64_t side = vit.image_size;
  for (std::size_t i = 0; i < stem.size(); ++i) {
    const Kernel& kernel = kernels[i];
    side /= kernel.side;
    d.keeps(side * side * (kernel.taps() + (i + 1 < stem.size() ? 2 : 1) * kernel.out));
    stem[i].patches = d.convolution(fmt::format("patch_embed.proj.{}", 3 * i), kernel, side * side);
    stem[i].norm = d.batch_norm(fmt::format("patch_embed.proj.{}", 3 * i + 1), kernel.out);
  }
  return stem;
}

// Of MAE's classifier.
constexpr Init kNearZero{Init::Law::normal, 2e-5};

// As many as MAE's code leaves out, int(N (1 - share)) being seen.
std::int64_t masked_patches(const TaskHead& head, const VitConfig& vit) {
  const auto* const reconstruction = std::get_if<ReconstructionConfig>(&head);
  if (reconstruction == nullptr) return 0;
  const auto seen =
      static_cast<std::int64_t>(static_cast<double>(vit.patches()) * (1 - reconstruction->masked));
  require(seen >= 1 && seen < vit.patches(), fmt::format("mae.masked = {}: of {} patches {} would be seen",
                                                         reconstruction->masked, vit.patches(), seen));
  require(vit.tokens_have_position && !vit.distilled && vit.width % 4 == 0,
          fmt::format("model.name = {}: patches are masked of transformers whose one class token has a "
                      "position, with a multiple of 4 channels, as deit_b16",
                      vit.name));
  return vit.patches() - seen;
}

}  // namespace

std::vector<ModelNames> VitConfig::names() { return names_of(kVitRows); }

VitConfig VitConfig::resolve(const ModelConfig& config) {
  const VitRow& row = row_named(kVitRows, config.name);
  const bool deit3 = row.form == Form::deit3 || row.form == Form::deit3_hmlp;
  VitConfig vit{transformer_config(config, std::string(row.names.name), row.size, deit3 ? 1e-4 : 0.0,
                                   deit3 ? DropPathLaw::constant : DropPathLaw::linear)};
  vit.parallel = config.parallel.value_or(row.parallel);
  vit.tokens_have_position = !deit3;
  vit.dropout = config.dropout;
  vit.distilled = row.form == Form::deit_distilled;
  vit.hmlp = row.form == Form::deit3_hmlp;
  vit.pooling = config.pooling;
  if (config.task_head) vit.masked = masked_patches(*config.task_head, vit);
  if (vit.parallel < 1)
    throw Error(ExitCode::refused, fmt::format("model.parallel = {}: must be at least 1", vit.parallel));
  require(!vit.distilled || vit.pooling == Pooling::token,
          fmt::format("model.pooling = mean: {} has two tokens of its own for its heads", vit.name));
  if (vit.hmlp && (vit.patch != 16 || vit.width % 4 != 0)) {
    throw Error(
        ExitCode::refused,
        fmt::format("model.patch = {}, model.width = {}: the stem of {} makes patches of 16 pixels and wants "
                    "a multiple of 4 channels",
                    vit.patch, vit.width, vit.name));
  }
  return vit;
}

bool VitConfig::patches_are_read(std::int64_t layer) const {
  return layer + 1 < depth || pooling == Pooling::mean || dropout > 0 || masked > 0;
}

VitParameters VitConfig::declare(Declaration& d) const {
  VitParameters p;
  d.segments(checkpointing.blocks, tokens() * width);
  d.enter(0, 0);
  p.class_token = d.token("cls_token", width);
  p.position = d.position("pos_embed", tokens_have_position ? tokens() : patches(), width);
  if (masked > 0) {
    d.last().init = {Init::Law::waves, static_cast<double>(width), grid()};
    d.last().fixed = true;
  }
  if (distilled) p.distillation_token = d.token("dist_token", width);
  if (hmlp)
    p.hmlp = declare_hmlp(d, *this);
  else
    p.patch = d.patch_embedding("patch_embed.proj", width, patch, patches());
  for (std::int64_t layer = 0; layer < depth; ++layer) {
    d.enter(static_cast<int>(layer) + 1, static_cast<int>(layer) + 1);
    p.blocks.push_back(declare_block(d, layer, *this));
  }
  const int last = static_cast<int>(depth) + 1;
  if (pooling == Pooling::mean) {
    d.enter(last, last);
    p.norm = d.norm("fc_norm", width, 1);
    d.begins_anew(p.norm, "norm");
  } else {
    d.enter(last, static_cast<int>(depth));
    p.norm = d.norm("norm", width, tokens_in_training());
  }
  if (masked > 0) d.start_by_xavier();
  d.enter(last, last);
  p.head.classes = d.head("head", classes, width, pooling == Pooling::mean ? kNearZero : kNarrowNormal);
  if (distilled) p.head.distillation = d.head("head_dist", classes, width);
  return p;
}

}  // namespace vitrail::models
