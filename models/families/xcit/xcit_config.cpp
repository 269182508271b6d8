#include "models/families/xcit/xcit_config.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace vitrail::models {
namespace {

struct XcitRow {
  ModelNames names;
  TransformerSize size;  // patch, width, depth, heads
  double layer_scale;
  bool tokens_are_normed = true;
};

constexpr std::array<XcitRow, 14> kXcitRows = {{
    {{"xcit_n12_p16", {"xcit_nano_12_p16_224", "xcit_nano_12_p16_384"}}, {16, 128, 12, 4}, 1, false},
    {{"xcit_n12_p8", {"xcit_nano_12_p8_224", "xcit_nano_12_p8_384"}}, {8, 128, 12, 4}, 1, false},
    {{"xcit_t12_p16", {"xcit_tiny_12_p16_224", "xcit_tiny_12_p16_384"}}, {16, 192, 12, 4}, 1},
    {{"xcit_t12_p8", {"xcit_tiny_12_p8_224", "xcit_tiny_12_p8_384"}}, {8, 192, 12, 4}, 1},
    {{"xcit_t24_p16", {"xcit_tiny_24_p16_224", "xcit_tiny_24_p16_384"}}, {16, 192, 24, 4}, 1e-5},
    {{"xcit_t24_p8", {"xcit_tiny_24_p8_224", "xcit_tiny_24_p8_384"}}, {8, 192, 24, 4}, 1e-5},
    {{"xcit_s12_p16", {"xcit_small_12_p16_224", "xcit_small_12_p16_384"}}, {16, 384, 12, 8}, 1},
    {{"xcit_s12_p8", {"xcit_small_12_p8_224", "xcit_small_12_p8_384"}}, {8, 384, 12, 8}, 1},
    {{"xcit_s24_p16", {"xcit_small_24_p16_224", "xcit_small_24_p16_384"}}, {16, 384, 24, 8}, 1e-5},
    {{"xcit_s24_p8", {"xcit_small_24_p8_224", "xcit_small_24_p8_384"}}, {8, 384, 24, 8}, 1e-5},
    {{"xcit_m24_p16", {"xcit_medium_24_p16_224", "xcit_medium_24_p16_384"}}, {16, 512, 24, 8}, 1e-5},
    {{"xcit_m24_p8", {"xcit_medium_24_p8_224", "xcit_medium_24_p8_384"}}, {8, 512, 24, 8}, 1e-5},
    {{"xcit_l24_p16", {"xcit_large_24_p16_224", "xcit_large_24_p16_384"}}, {16, 768, 24, 16}, 1e-5},
    {{"xcit_l24_p8", {"xcit_large_24_p8_224", "xcit_large_24_p8_384"}}, {8, 768, 24, 16}, 1e-5},
}};

// GELU's output beside what batch norm reads, but for the last convolution's.
void declare_stem(Declaration& d, const XcitConfig& net, std::vector<NormedWeightId>& stem) {
  const std::int64_t layers = net.stem_layers();
  std::int64_t in = 3, side = net.image_size;
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::int64_t out = net.width >> (layers - 1 - i);
    side = halved(side);
    const std::string name = fmt::format("patch_embed.proj.{}.", 2 * i);
    const Kernel kernel{out, in, 3};
    stem.push_back(
        d.normed_convolution(name + "0", name + "1", kernel, side * side, uniform_by_fan_in(kernel.taps())));
    if (i + 1 < layers) d.keeps(2 * side * side * out);
    in = out;
  }
}

// timm's order: the gains first, then attention, local interaction and MLP, as they are computed.
XcitBlockId declare_block(Declaration& d, std::int64_t layer, const XcitConfig& net) {
  const std::string name = fmt::format("blocks.{}.", layer);
  const std::int64_t width = net.width, map = net.map(), all = map * width;
  XcitBlockId block;
  block.scale1 = d.layer_scale(name + "gamma1", width, net.layer_scale);
  block.scale3 = d.layer_scale(name + "gamma3", width, net.layer_scale);
  const auto scale2 = d.layer_scale(name + "gamma2", width, net.layer_scale);
  BranchCost attention = attention_branch(net, layer, map, map);
  // Queries and keys once more, over their length; the maps before and behind the softmax.
  attention.kept += 4 * all + 2 * width * (width / net.heads);
  d.branch(attention, [&] {
    block.norm1 = d.norm(name + "norm1", width, map);
    block.temperature = d.temperature(name + "attn.temperature", net.heads);
    block.qkv = d.linear(name + "attn.qkv", 3 * width, width, map);
    d.computes(2 * all * (width / net.heads));  // QK', PV over channels
    block.proj = d.linear(name + "attn.proj", width, width, map);
  });
  // Batch norm wants all images: none is left out.
  const std::int64_t scaled = net.layer_scale > 0 ? all : 0;
  d.branch({.rate = 0, .kept = map * (5 * width + 2) + scaled, .input = all}, [&] {
    block.norm3 = d.norm(name + "norm3", width, map);
    block.conv1 = d.convolution(name + "local_mp.conv1", {width, width, 3, width}, map);
    block.local_norm = d.batch_norm(name + "local_mp.bn", width);
    block.conv2 = d.convolution(name + "local_mp.conv2", {width, width, 3, width}, map);
  });
  block.mlp = d.branch(mlp_branch(net, layer, map, map),
                       [&] { return declare_mlp(d, name + "norm2", name + "mlp", width, map); });
  block.mlp.scale = scale2;
  return block;
}

// Kept: of every token the norms' inputs and the first one's output, k and v.
XcitClassBlockId declare_class_block(Declaration& d, std::int64_t layer, const XcitConfig& net) {
  const std::string name = fmt::format("cls_attn_blocks.{}.", layer);
  const std::int64_t width = net.width, tokens = net.tokens();
  XcitClassBlockId block;
  block.scale1 = d.layer_scale(name + "gamma1", width, net.layer_scale);
  const auto scale2 = d.layer_scale(name + "gamma2", width, net.layer_scale);
  block.norm1 = d.norm(name + "norm1", width, tokens);
  block.attention = declare_class_attention(d, name + "attn", width, 1, tokens);
  block.mlp = declare_mlp(d, name + "norm2", name + "mlp", width, 1);
  block.mlp.scale = scale2;
  d.computes(net.tokens_are_normed ? 5 * (tokens - 1) * width : 0);  // the norm's of the patches
  d.keeps(tokens * (6 * width + 4));
  return block;
}

}  // namespace

std::vector<ModelNames> XcitConfig::names() { return names_of(kXcitRows); }

std::int64_t XcitConfig::side() const {
  std::int64_t side = image_size;
  for (std::int64_t i = 0; i < stem_layers(); ++i) side = halved(side);
  return side;
}

XcitConfig XcitConfig::resolve(const ModelConfig& config) {
  const XcitRow& row = row_named(kXcitRows, config.name);
  const std::string name(row.names.name);
  require(config.parallel.value_or(1) == 1,
          fmt::format("model.parallel = {}: the blocks of {} have no parallel form",
                      config.parallel.value_or(1), name));
  XcitConfig net{transformer_config(config, name, row.size, row.layer_scale, DropPathLaw::constant)};
  net.tokens_are_normed = row.tokens_are_normed;
  require(net.patch == 16 || net.patch == 8,
          fmt::format("model.patch = {}: the stem of {} makes patches of 16 or 8 pixels", net.patch, name));
  const std::int64_t share = std::int64_t{1} << (net.stem_layers() - 1);
  require(net.width % share == 0,
          fmt::format("model.width = {}: the stem of {} wants a multiple of {}", net.width, name, share));
  return net;
}

XcitParameters XcitConfig::declare(Declaration& d) const {
  const int blocks = static_cast<int>(depth), class_layers = static_cast<int>(kClassLayers);
  XcitParameters p;
  d.segments(checkpointing.blocks, map() * width);
  d.enter(blocks + 1, 0);  // the class token joins after the patches' blocks
  p.class_token = d.token("cls_token", width);
  d.enter(0, 0);
  declare_stem(d, *this, p.stem);
  p.position = d.convolution("pos_embed.token_projection", {width, 2 * kFrequencies}, map());
  for (int layer = 0; layer < blocks; ++layer) {
    d.enter(layer + 1, layer + 1);
    p.blocks.push_back(declare_block(d, layer, *this));
  }
  for (int layer = 0; layer < class_layers; ++layer) {  // for layer decay beside the last blocks
    d.enter(blocks + layer + 1, std::max(blocks - class_layers + layer + 1, 1));
    p.class_blocks.push_back(declare_class_block(d, layer, *this));
  }
  d.enter(blocks + class_layers + 1, blocks);
  p.norm = d.norm("norm", width, tokens());
  d.enter(blocks + class_layers + 1, blocks + 1);
  p.head.classes = d.head("head", classes, width);
  return p;
}

}  // namespace vitrail::models
