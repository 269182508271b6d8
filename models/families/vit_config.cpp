#include "models/families/vit_config.hpp"

#include <array>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

enum class Form { deit3, deit, deit_distilled };

struct VitRow {
  ModelNames names;
  TransformerSize size;  // patch, width, depth, heads
  Form form = Form::deit3;
  std::int64_t parallel = 1;
};

// vit_xxs4 is ours, for images of some 30 pixels; the rest are published: Touvron et al. 2022 (table 1), 2022
// ("Three things everyone should know about vision transformers") and 2021 (DeiT). timm's own networks of 18
// x 2 blocks give the class token a position, which the paper's have not: they are no aliases.
constexpr std::array<VitRow, 18> kVitRows = {{
    {{"vit_xxs4"}, {4, 128, 6, 4}},
    {{"vit_ti16"}, {16, 192, 12, 3}},
    {{"vit_s16", {"deit3_small_patch16_224", "deit3_small_patch16_384"}}, {16, 384, 12, 6}},
    {{"vit_b16", {"deit3_base_patch16_224", "deit3_base_patch16_384"}}, {16, 768, 12, 12}},
    {{"vit_l16", {"deit3_large_patch16_224", "deit3_large_patch16_384"}}, {16, 1024, 24, 16}},
    {{"vit_h14", {"deit3_huge_patch14_224"}}, {14, 1280, 32, 16}},
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
    {{"deit_ti16_distilled", {"deit_tiny_distilled_patch16_224"}}, {16, 192, 12, 3}, Form::deit_distilled},
    {{"deit_s16_distilled", {"deit_small_distilled_patch16_224"}}, {16, 384, 12, 6}, Form::deit_distilled},
    {{"deit_b16_distilled", {"deit_base_distilled_patch16_224", "deit_base_distilled_patch16_384"}},
     {16, 768, 12, 12},
     Form::deit_distilled},
}};

void add_attention(ParameterSpecs& specs, const std::string& norm, const std::string& attention,
                   const std::string& scale, const VitConfig& vit) {
  add_norm(specs, norm, vit.width);
  add_linear(specs, attention + ".qkv", 3 * vit.width, vit.width);
  add_linear(specs, attention + ".proj", vit.width, vit.width);
  add_layer_scale(specs, scale + ".gamma", vit.width, vit.layer_scale);
}

void add_mlp(ParameterSpecs& specs, const std::string& norm, const std::string& mlp, const std::string& scale,
             const VitConfig& vit) {
  add_norm(specs, norm, vit.width);
  add_linear(specs, mlp + ".fc1", kMlpRatio * vit.width, vit.width);
  add_linear(specs, mlp + ".fc2", vit.width, kMlpRatio * vit.width);
  add_layer_scale(specs, scale + ".gamma", vit.width, vit.layer_scale);
}

}  // namespace

std::vector<ModelNames> VitConfig::names() { return names_of(kVitRows); }

VitConfig VitConfig::resolve(const ModelConfig& config) {
  const VitRow& row = row_named(kVitRows, config.name);
  const bool deit3 = row.form == Form::deit3;
  VitConfig vit{transformer_config(config, std::string(row.names.name), row.size, deit3 ? 1e-4 : 0.0,
                                   deit3 ? DropPathLaw::constant : DropPathLaw::linear)};
  vit.parallel = config.parallel.value_or(row.parallel);
  vit.tokens_have_position = !deit3;
  vit.distilled = row.form == Form::deit_distilled;
  if (vit.parallel < 1)
    throw Error(ExitCode::refused, fmt::format("model.parallel = {}: must be at least 1", vit.parallel));
  return vit;
}

ParameterSpecs VitConfig::parameters() const {
  const std::int64_t positions = tokens_have_position ? tokens() : patches();
  ParameterSpecs specs;
  specs.push_back({"cls_token", {1, 1, width}, kNarrowNormal});
  specs.push_back({"pos_embed", {1, positions, width}, kNarrowNormal});
  if (distilled) specs.push_back({"dist_token", {1, 1, width}, kNarrowNormal});
  add_patch_embedding(specs, width, patch);
  for (std::int64_t layer = 0; layer < depth; ++layer) {
    const std::string block = fmt::format("blocks.{}.", layer);
    if (parallel == 1) {
      add_attention(specs, block + "norm1", block + "attn", block + "ls1", *this);
      add_mlp(specs, block + "norm2", block + "mlp", block + "ls2", *this);
      continue;
    }
    for (std::int64_t i = 0; i < parallel; ++i) {
      const std::string one = fmt::format("{}attns.{}.", block, i);
      add_attention(specs, one + "norm", one + "attn", one + "ls", *this);
    }
    for (std::int64_t i = 0; i < parallel; ++i) {
      const std::string one = fmt::format("{}ffns.{}.", block, i);
      add_mlp(specs, one + "norm", one + "mlp", one + "ls", *this);
    }
  }
  add_norm(specs, "norm", width);
  add_linear(specs, "head", classes, width);
  if (distilled) add_linear(specs, "head_dist", classes, width);
  return specs;
}

std::int64_t VitConfig::block_macs() const {
  return parallel * (attention_macs(tokens(), width) + mlp_macs(tokens(), width));
}

std::int64_t VitConfig::macs() const {
  return patch_embedding_macs(*this) + depth * block_macs() + norm_macs(tokens(), width) +
         added_tokens() * width * classes;
}

double VitConfig::macs_in_training() const {
  const double dropped = static_cast<double>(depth) - layers_computed();
  return static_cast<double>(macs()) - dropped * static_cast<double>(block_macs());
}

std::int64_t VitConfig::activation_bytes() const {
  return 4 * (patches() * 3 * patch * patch + kept_by_blocks(*this, tokens(), parallel));
}

}  // namespace vitrail::models
