#include "models/families/patchconvnet/patchconvnet_config.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

namespace vitrail::models {
namespace {

enum class PatchConvNetForm { plain, token_for_each_class, batch_norm };

struct PatchConvNetRow {
  ModelNames names;
  TransformerSize size;  // patch, width, depth; one head
  double layer_scale;
  PatchConvNetForm form = PatchConvNetForm::plain;
};

constexpr std::array<PatchConvNetRow, 17> kPatchConvNetRows = {{
    {{"patchconvnet_s20"}, {16, 384, 20, 1}, 1e-4},
    {{"patchconvnet_s36"}, {16, 384, 36, 1}, 1e-4},
    {{"patchconvnet_s60"}, {16, 384, 60, 1}, 1e-4},
    {{"patchconvnet_s120"}, {16, 384, 120, 1}, 1e-6},
    {{"patchconvnet_b36"}, {16, 768, 36, 1}, 1e-6},
    {{"patchconvnet_b60"}, {16, 768, 60, 1}, 1e-6},
    {{"patchconvnet_b120"}, {16, 768, 120, 1}, 1e-6},
    {{"patchconvnet_l60"}, {16, 1024, 60, 1}, 1e-6},
    {{"patchconvnet_l120"}, {16, 1024, 120, 1}, 1e-6},
    {{"patchconvnet_s60_multi"}, {16, 384, 60, 1}, 1e-4, PatchConvNetForm::token_for_each_class},
    {{"patchconvnet_s20_bn"}, {16, 384, 20, 1}, 1e-4, PatchConvNetForm::batch_norm},
    {{"patchconvnet_s36_bn"}, {16, 384, 36, 1}, 1e-4, PatchConvNetForm::batch_norm},
    {{"patchconvnet_s60_bn"}, {16, 384, 60, 1}, 1e-4, PatchConvNetForm::batch_norm},
    {{"patchconvnet_s120_bn"}, {16, 384, 120, 1}, 1e-6, PatchConvNetForm::batch_norm},
    {{"patchconvnet_b36_bn"}, {16, 768, 36, 1}, 1e-6, PatchConvNetForm::batch_norm},
    {{"patchconvnet_b60_bn"}, {16, 768, 60, 1}, 1e-6, PatchConvNetForm::batch_norm},
    {{"patchconvnet_b120_bn"}, {16, 768, 120, 1}, 1e-6, PatchConvNetForm::batch_norm},
}};

// Of the stem's convolutions GELU's input and output are kept.
std::vector<ParameterId> declare_stem(Declaration& d, const PatchConvNetConfig& net) {
  constexpr std::int64_t kLayers = PatchConvNetConfig::kStemLayers;
  std::vector<ParameterId> stem;
  Kernel kernel{0, 3, 3};
  std::int64_t side = net.image_size;
  for (std::int64_t i = 0; i < kLayers; ++i) {
    kernel.out = net.width >> (kLayers - 1 - i);
    side = halved(side);
    d.computes(side * side * kernel.out * kernel.taps());
    if (i + 1 < kLayers) d.keeps(2 * side * side * kernel.out);
    stem.push_back(d.matrix(fmt::format("patch_embed.proj.{}.0.weight", 2 * i), kernel.shape(),
                            uniform_by_fan_in(kernel.taps())));
    kernel.in = kernel.out;
  }
  return stem;
}

// Names of the published code, as `qkv_pos`; the gain of a block comes first.
ColumnBlockId declare_column(Declaration& d, std::int64_t layer, const PatchConvNetConfig& net) {
  const std::string name = fmt::format("blocks.{}.", layer), f = name + "attn.qkv_pos.";
  const std::int64_t width = net.width, map = net.map(), all = map * width;
  ColumnBlockId block;
  block.scale = d.layer_scale(name + "gamma_1", width, net.layer_scale);
  const auto layers = [&] {
    if (net.batch_normed)
      block.batch_norm = d.batch_norm(name + "norm1", width);
    else
      block.norm = d.norm(name + "norm1", width, map);
    const std::int64_t squeezed = std::llrint(static_cast<double>(width) / PatchConvNetConfig::kSqueezed);
    block.enter = d.convolution(f + "0", {width, width}, map);
    block.depthwise = d.convolution(f + "2", {width, width, 3, width}, map);
    block.squeeze = d.convolution(f + "4.conv_reduce", {squeezed, width}, 1);
    block.excite = d.convolution(f + "4.conv_expand", {width, squeezed}, 1);
    block.leave = d.convolution(f + "5", {width, width}, map);
  };
  // The norm's input and output, both sides of both GELUs, what the gate lets through.
  const std::int64_t kept = 7 * all + (net.layer_scale > 0 ? all : 0);
  const double rate = net.batch_normed ? 0 : net.drop_path_of(layer);  // batch norm wants all images
  d.branch({.rate = rate, .kept = kept, .input = all}, layers);
  return block;
}

}  // namespace

std::vector<ModelNames> PatchConvNetConfig::names() { return names_of(kPatchConvNetRows); }

std::int64_t PatchConvNetConfig::side() const {
  std::int64_t side = image_size;
  for (std::int64_t i = 0; i < kStemLayers; ++i) side = halved(side);
  return side;
}

PatchConvNetConfig PatchConvNetConfig::resolve(const ModelConfig& config) {
  const PatchConvNetRow& row = row_named(kPatchConvNetRows, config.name);
  const std::string name(row.names.name);
  require(!config.heads, fmt::format("model.heads = {}: {} has one", config.heads.value_or(0), name));
  require(config.parallel.value_or(1) == 1,
          fmt::format("model.parallel = {}: the blocks of {} have no parallel form",
                      config.parallel.value_or(1), name));
  PatchConvNetConfig net{transformer_config(config, name, row.size, row.layer_scale, DropPathLaw::constant)};
  net.token_for_each_class = row.form == PatchConvNetForm::token_for_each_class;
  net.batch_normed = row.form == PatchConvNetForm::batch_norm;
  require(net.patch == 16,
          fmt::format("model.patch = {}: the stem of {} makes patches of 16 pixels", net.patch, name));
  constexpr std::int64_t kShare = std::int64_t{1} << (kStemLayers - 1);
  require(net.width % kShare == 0,
          fmt::format("model.width = {}: the stem of {} wants a multiple of {}", net.width, name, kShare));
  require(!net.checkpointing.attention,
          fmt::format("model.activation_checkpointing = attention: the blocks of {} have none", name));
  return net;
}

PatchConvNetParameters PatchConvNetConfig::declare(Declaration& d) const {
  const int blocks = static_cast<int>(depth);
  PatchConvNetParameters p;
  d.segments(checkpointing.blocks, map() * width);
  d.enter(blocks + 1, 0);  // class tokens join after the columns
  p.class_token = d.tokens("cls_token", class_tokens(), width);
  d.enter(0, 0);
  p.stem = declare_stem(d, *this);
  for (int layer = 0; layer < blocks; ++layer) {
    d.enter(layer + 1, layer + 1);
    p.blocks.push_back(declare_column(d, layer, *this));
  }
  d.enter(blocks + 1, blocks);
  p.aggregation = declare_class_block(d, "blocks_token_only.0.",
                                      {.width = width,
                                       .asking = class_tokens(),
                                       .patches = map(),
                                       .layer_scale = layer_scale,
                                       .mlp_ratio = kMlpRatioOfAggregation,
                                       .patches_answer_alone = token_for_each_class});
  p.norm = d.norm("norm", width, tokens());
  d.enter(blocks + 1, blocks + 1);
  if (token_for_each_class) {
    PerClassHead head;
    for (std::int64_t k = 0; k < classes; ++k)
      head.classes.push_back(d.head(fmt::format("head.{}", k), 1, width));
    p.head = head;
  } else {
    p.head = LinearHead{d.head("head", classes, width), {}};
  }
  return p;
}

}  // namespace vitrail::models
