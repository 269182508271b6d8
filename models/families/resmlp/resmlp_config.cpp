#include "models/families/resmlp/resmlp_config.hpp"

#include <array>

#include <fmt/format.h>

namespace vitrail::models {
namespace {

struct ResMlpRow {
  ModelNames names;
  TransformerSize size;  // patch, width, depth; no heads
  double layer_scale;
};

constexpr std::array<ResMlpRow, 7> kResMlpRows = {{
    {{"resmlp_s12", {"resmlp_12_224"}}, {16, 384, 12, 1}, 0.1},
    {{"resmlp_s12_14"}, {14, 384, 12, 1}, 0.1},
    {{"resmlp_s12_8"}, {8, 384, 12, 1}, 0.1},
    {{"resmlp_s24", {"resmlp_24_224"}}, {16, 384, 24, 1}, 1e-5},
    {{"resmlp_s36", {"resmlp_36_224"}}, {16, 384, 36, 1}, 1e-6},
    {{"resmlp_b24"}, {16, 768, 24, 1}, 1e-6},
    {{"resmlp_b24_8", {"resmlp_big_24_224"}}, {8, 768, 24, 1}, 1e-6},
}};

// Gains and shifts of the affine maps are [1,1,D] in timm: by their shape alone they would decay.
AffineId declare_affine(Declaration& d, const std::string& name, std::int64_t width) {
  const ParameterId alpha = d.gain(name + ".alpha", {1, 1, width}, 1);
  return {alpha, d.bias(name + ".beta", {1, 1, width})};
}

// timm's order: the gains of a block come first. Kept: each layer's input and output, both sides of GELU.
ResMlpBlockId declare_block(Declaration& d, std::int64_t layer, const ResMlpConfig& net) {
  const std::string name = fmt::format("blocks.{}.", layer);
  const std::int64_t width = net.width, tokens = net.patches(), all = tokens * width;
  const std::int64_t scaled = net.layer_scale > 0 ? all : 0;
  const double rate = net.drop_path_of(layer);
  ResMlpBlockId block;
  block.scale1 = d.layer_scale(name + "ls1", width, net.layer_scale);
  block.scale2 = d.layer_scale(name + "ls2", width, net.layer_scale);
  const BranchCost mixing{
      .rate = rate, .kept = 2 * all + scaled, .input = all, .recomputed = net.checkpointing.attention};
  d.branch(mixing, [&] {
    block.norm1 = declare_affine(d, name + "norm1", width);
    block.mixing = d.linear(name + "linear_tokens", tokens, tokens, width);
  });
  const BranchCost mlp{.rate = rate, .kept = (2 + 2 * kMlpRatio) * all + scaled, .input = all};
  d.branch(mlp, [&] {
    block.norm2 = declare_affine(d, name + "norm2", width);
    block.fc1 = d.linear(name + "mlp_channels.fc1", kMlpRatio * width, width, tokens);
    block.fc2 = d.linear(name + "mlp_channels.fc2", width, kMlpRatio * width, tokens);
  });
  return block;
}

}  // namespace

std::vector<ModelNames> ResMlpConfig::names() { return names_of(kResMlpRows); }

ResMlpConfig ResMlpConfig::resolve(const ModelConfig& config) {
  const ResMlpRow& row = row_named(kResMlpRows, config.name);
  const std::string name(row.names.name);
  require(!config.heads, fmt::format("model.heads = {}: {} has none", config.heads.value_or(0), name));
  require(config.parallel.value_or(1) == 1,
          fmt::format("model.parallel = {}: the blocks of {} have no parallel form",
                      config.parallel.value_or(1), name));
  const bool named_depth = !config.depth || *config.depth == row.size.depth;
  return {transformer_config(config, name, row.size,
                             named_depth ? row.layer_scale : layer_scale_by_depth(*config.depth),
                             DropPathLaw::constant)};
}

ResMlpParameters ResMlpConfig::declare(Declaration& d) const {
  const int blocks = static_cast<int>(depth);
  ResMlpParameters p;
  d.segments(checkpointing.blocks, patches() * width);
  d.enter(0, 0);
  p.patch = d.patch_embedding("stem.proj", width, patch, patches());
  for (int layer = 0; layer < blocks; ++layer) {
    d.enter(layer + 1, layer + 1);
    p.blocks.push_back(declare_block(d, layer, *this));
  }
  d.enter(blocks + 1, blocks);
  p.norm = declare_affine(d, "norm", width);
  d.keeps(patches() * width);
  d.enter(blocks + 1, blocks + 1);
  p.head.classes = d.head("head", classes, width);
  return p;
}

}  // namespace vitrail::models
