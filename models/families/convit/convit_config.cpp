#include "models/families/convit/convit_config.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

namespace vitrail::models {
namespace {

struct ConvitRow {
  ModelNames names;
  TransformerSize size;  // patch, width, depth, heads
};

constexpr std::array<ConvitRow, 3> kConvitRows = {{
    {{"convit_ti", {"convit_tiny"}}, {16, 192, 12, 4}},
    {{"convit_s", {"convit_small"}}, {16, 432, 12, 9}},
    {{"convit_b", {"convit_base"}}, {16, 768, 12, 16}},
}};

std::int64_t root_of(std::int64_t heads) { return std::llround(std::sqrt(static_cast<double>(heads))); }

ParameterId declare_product(Declaration& d, const std::string& name, std::int64_t out, std::int64_t in,
                            std::int64_t rows, const Init& init = kNarrowNormal) {
  d.computes(rows * out * in);
  return d.matrix(name + ".weight", {out, in}, init);
}

// timm's order: the gates of a layer come first.
GatedAttentionId declare_gated(Declaration& d, const std::string& name, const ConvitConfig& net) {
  const std::int64_t width = net.width, patches = net.patches(), heads = net.heads, pairs = patches * patches;
  const std::string attention = name + "attn.";
  GatedAttentionId layer;
  layer.norm = d.norm(name + "norm1", width, patches);
  layer.gate = d.gain(attention + "gating_param", heads, 1);
  layer.qk = declare_product(d, attention + "qk", 2 * width, width, patches);
  layer.v = declare_product(d, attention + "v", width, width, patches, {Init::Law::identity, 1, width});
  d.computes(2 * pairs * width);  // QK', PV
  layer.proj = d.linear(attention + "proj", width, width, patches);
  layer.position =
      d.linear(attention + "pos_proj", heads, 3, pairs, {Init::Law::neighbours, 1, root_of(heads)});
  return layer;
}

PlainAttentionId declare_plain(Declaration& d, const std::string& name, const ConvitConfig& net) {
  const std::int64_t width = net.width, tokens = net.tokens();
  PlainAttentionId layer;
  layer.norm = d.norm(name + "norm1", width, tokens);
  layer.qkv = declare_product(d, name + "attn.qkv", 3 * width, width, tokens);
  d.computes(2 * tokens * tokens * width);  // QK', PV
  layer.proj = d.linear(name + "attn.proj", width, width, tokens);
  return layer;
}

ConvitBlockId declare_block(Declaration& d, std::int64_t layer, const ConvitConfig& net) {
  const std::string name = fmt::format("blocks.{}.", layer);
  const bool gated = layer < net.gated_blocks();
  const std::int64_t tokens = gated ? net.patches() : net.tokens();
  const std::int64_t read = layer + 1 < net.depth ? tokens : 1;  // the class token
  ConvitBlockId block;
  BranchCost attention = attention_branch(net, layer, tokens, read);
  if (gated) attention.kept += 2 * tokens * net.width;  // what content and position give apart
  d.branch(attention, [&] {
    if (gated)
      block.gated = declare_gated(d, name, net);
    else
      block.plain = declare_plain(d, name, net);
  });
  block.mlp = d.branch(mlp_branch(net, layer, tokens, read),
                       [&] { return declare_mlp(d, name + "norm2", name + "mlp", net.width, tokens); });
  return block;
}

}  // namespace

std::vector<ModelNames> ConvitConfig::names() { return names_of(kConvitRows); }

ConvitConfig ConvitConfig::resolve(const ModelConfig& config) {
  const ConvitRow& row = row_named(kConvitRows, config.name);
  const std::string name(row.names.name);
  require(config.parallel.value_or(1) == 1,
          fmt::format("model.parallel = {}: the blocks of {} have no parallel form",
                      config.parallel.value_or(1), name));
  require(config.layer_scale.value_or(0) == 0,
          fmt::format("model.layer_scale = {}: {} has none", config.layer_scale.value_or(0), name));
  ConvitConfig net{transformer_config(config, name, row.size, 0, DropPathLaw::linear)};
  require(
      root_of(net.heads) * root_of(net.heads) == net.heads,
      fmt::format("model.heads = {}: heads of {} begin as the taps of a square kernel, their number is 1, 4, "
                  "9, 16, ...",
                  net.heads, name));
  return net;
}

ConvitParameters ConvitConfig::declare(Declaration& d) const {
  const int blocks = static_cast<int>(depth), joins = static_cast<int>(gated_blocks());
  ConvitParameters p;
  d.segments(checkpointing.blocks, tokens() * width);
  d.enter(joins + 1, 0);
  p.class_token = d.token("cls_token", width);
  d.enter(0, 0);
  p.position = d.position("pos_embed", patches(), width);
  p.patch = d.patch_embedding("patch_embed.proj", width, patch, patches());
  for (int layer = 0; layer < blocks; ++layer) {
    d.enter(layer + 1, layer + 1);
    p.blocks.push_back(declare_block(d, layer, *this));
  }
  d.enter(blocks + 1, blocks);
  p.norm = d.norm("norm", width, tokens());
  d.enter(blocks + 1, blocks + 1);
  p.head.classes = d.head("head", classes, width);
  return p;
}

}  // namespace vitrail::models
