#include "models/families/levit/levit_config.hpp"

#include <fmt/format.h>

namespace vitrail::models {
namespace {

struct LevitRow {
  ModelNames names;
  std::int64_t key;
  std::array<LevitConfig::Stage, 3> stages;  // width, heads, depth
};

constexpr std::array<LevitRow, 5> kLevitRows = {{
    {{"levit_128s", {}, true}, 16, {{{128, 4, 2}, {256, 6, 3}, {384, 8, 4}}}},
    {{"levit_128", {}, true}, 16, {{{128, 4, 4}, {256, 8, 4}, {384, 12, 4}}}},
    {{"levit_192", {}, true}, 32, {{{192, 3, 4}, {288, 5, 4}, {384, 6, 4}}}},
    {{"levit_256", {}, true}, 32, {{{256, 4, 4}, {384, 6, 4}, {512, 8, 4}}}},
    {{"levit_384", {}, true}, 32, {{{384, 6, 4}, {512, 9, 4}, {768, 12, 4}}}},
}};

// Kept beside what batch norm reads: what the layer reads, where nothing else keeps that.
NormedWeightId declare_linear(Declaration& d, const std::string& name, std::int64_t out, std::int64_t in,
                              std::int64_t rows, double gain = 1) {
  d.computes(rows * out * in);
  d.keeps(rows * out);
  const ParameterId weight = d.matrix(name + ".linear.weight", {out, in}, uniform_by_fan_in(in));
  return {weight, d.batch_norm(name + ".bn", out, gain)};
}

// hard-swish keeps its input, which batch norm gives.
LevitMlpId declare_mlp(Declaration& d, const std::string& name, std::int64_t width, std::int64_t tokens) {
  const std::int64_t hidden = LevitConfig::kLevitMlpRatio * width;
  LevitMlpId mlp;
  d.keeps(tokens * (width + 2 * hidden));
  mlp.first = declare_linear(d, name + ".ln1", hidden, width, tokens);
  mlp.second = declare_linear(d, name + ".ln2", width, hidden, tokens, 0);
  return mlp;
}

struct AttentionSize {
  std::int64_t in, out, heads, key, value, side, asking_side;
  bool fewer;  // tokens ask than answer

  std::int64_t asking() const { return asking_side * asking_side; }
  std::int64_t answering() const { return side * side; }
};

// timm's order: the biases first. Kept: queries, keys and values, the maps before and behind the softmax.
DistanceAttentionId declare_attention(Declaration& d, const std::string& name, const AttentionSize& size) {
  const std::int64_t keys = size.heads * size.key, values = size.heads * size.value;
  DistanceAttentionId layer;
  layer.side = size.side;
  layer.biases = d.bias(name + ".attention_biases", {size.heads, size.answering()});
  if (size.fewer) {
    layer.kv = declare_linear(d, name + ".kv", keys + values, size.in, size.answering());
    layer.q = declare_linear(d, name + ".q.ln", keys, size.in, size.asking());
  } else {
    layer.qkv = declare_linear(d, name + ".qkv", 2 * keys + values, size.in, size.answering());
  }
  d.computes(size.asking() * size.answering() * (keys + values));
  d.keeps(size.answering() * (size.in + keys + values) + size.asking() * (keys + 2 * values) +
          size.heads * size.asking() * size.answering());
  layer.proj = declare_linear(d, name + ".proj.ln", size.out, values, size.asking(), size.fewer ? 1 : 0);
  return layer;
}

std::vector<NormedWeightId> declare_stem(Declaration& d, std::int64_t width, std::int64_t side) {
  std::vector<NormedWeightId> stem;
  Kernel kernel{0, 3, 3};
  for (std::int64_t i = 1; i <= LevitConfig::kStemLayers; ++i) {
    const std::string name = fmt::format("stem.conv{}.", i);
    kernel.out = width >> (LevitConfig::kStemLayers - i);
    side = halved(side);
    stem.push_back(d.normed_convolution(name + "linear", name + "bn", kernel, side * side,
                                        uniform_by_fan_in(kernel.taps())));
    if (i < LevitConfig::kStemLayers) d.keeps(2 * side * side * kernel.out);
    kernel.in = kernel.out;
  }
  return stem;
}

}  // namespace

std::vector<ModelNames> LevitConfig::names() { return names_of(kLevitRows); }

LevitConfig LevitConfig::resolve(const ModelConfig& config) {
  const LevitRow& row = row_named(kLevitRows, config.name);
  LevitConfig net{named_config(config, std::string(row.names.name), DropPathLaw::constant)};
  net.key = row.key;
  net.stages = row.stages;
  return net;
}

std::int64_t LevitConfig::side() const {
  std::int64_t side = image_size;
  for (std::int64_t i = 0; i < kStemLayers; ++i) side = halved(side);
  return side;
}

std::int64_t LevitConfig::blocks() const {
  std::int64_t count = static_cast<std::int64_t>(stages.size()) - 1;
  for (const Stage& stage : stages) count += stage.depth;
  return count;
}

LevitParameters LevitConfig::declare(Declaration& d) const {
  LevitParameters p;
  d.enter(0, 0);
  p.stem = declare_stem(d, stages[0].width, image_size);
  std::int64_t map_side = side(), in = stages[0].width;
  int entered = 0;
  const auto add = [&](const std::string& attention, const std::string& mlp, const AttentionSize& sizes) {
    ++entered;
    d.enter(entered, entered);
    LevitBlockId block;
    block.attention = declare_attention(d, attention, sizes);
    block.mlp = declare_mlp(d, mlp, sizes.out, sizes.asking());
    p.blocks.push_back(block);
    map_side = sizes.asking_side;
    in = sizes.out;
  };
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const auto& [width, heads, depth] = stages[s];
    if (s > 0) {
      const std::string fewer = fmt::format("stages.{}.downsample.", s);
      add(fewer + "attn_downsample", fewer + "mlp",
          {in, width, in / key, key, kValuesOfFewer * key, map_side, halved(map_side), true});
    }
    for (std::int64_t block = 0; block < depth; ++block) {
      const std::string same = fmt::format("stages.{}.blocks.{}.", s, block);
      add(same + "attn", same + "mlp", {width, width, heads, key, kValues * key, map_side, map_side, false});
    }
  }
  const auto declare_head = [&](const std::string& layer, BatchNormId& norm) {
    d.enter(entered + 1, entered);
    norm = d.batch_norm(layer + ".bn", in);
    d.enter(entered + 1, entered + 1);
    return d.head(layer + ".linear", classes, in);
  };
  p.head.classes = declare_head("head", p.head_norm);
  p.head.distillation = declare_head("head_dist", p.distillation_norm);
  return p;
}

}  // namespace vitrail::models
