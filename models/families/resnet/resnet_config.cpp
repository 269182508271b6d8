#include "models/families/resnet/resnet_config.hpp"

#include <numeric>

#include <fmt/format.h>

#include "models/families/transformer_config.hpp"

namespace vitrail::models {
namespace {

struct ResNetRow {
  ModelNames names;
  std::array<std::int64_t, 4> depths;
  bool bottleneck = true, attention_pooling = false;
};

constexpr std::array<ResNetRow, 5> kResNetRows = {{{{"resnet18", {}, true}, {2, 2, 2, 2}, false},
                                                   {{"resnet50", {}, true}, {3, 4, 6, 3}},
                                                   {{"resnet101", {}, true}, {3, 4, 23, 3}},
                                                   {{"resnet152", {}, true}, {3, 8, 36, 3}},
                                                   {{"resnet50_attn"}, {3, 4, 6, 3}, true, true}}};

// Before and behind a block: channels, and pixels a side.
struct MapShape {
  std::int64_t channels, side;

  std::int64_t pixels() const { return side * side; }
};

NormedWeightId declare_normed(Declaration& d, const std::string& convolution, const std::string& norm,
                              const Kernel& kernel, std::int64_t pixels, double gain = 1) {
  return d.normed_convolution(convolution, norm, kernel, pixels, normal_by_fan_out(kernel), gain);
}

// Kept beside what batch norms read: the outputs of the rectifiers.
ResidualId declare_block(Declaration& d, const std::string& name, const MapShape& in, const MapShape& out,
                         std::int64_t width, bool bottleneck) {
  ResidualId block;
  block.stride = in.side == out.side ? 1 : 2;
  const auto add = [&](const Kernel& kernel, std::int64_t pixels, bool last) {
    const auto number = block.convolutions.size() + 1;
    block.convolutions.push_back(declare_normed(d, fmt::format("{}.conv{}", name, number),
                                                fmt::format("{}.bn{}", name, number), kernel, pixels,
                                                last ? 0 : 1));
    d.keeps(pixels * kernel.out);
  };
  if (bottleneck) {
    add({width, in.channels}, in.pixels(), false);
    add({width, width, 3}, out.pixels(), false);
    add({out.channels, width}, out.pixels(), true);
  } else {
    add({width, in.channels, 3}, out.pixels(), false);
    add({width, width, 3}, out.pixels(), true);
  }
  if (in.channels != out.channels || block.stride != 1) {
    block.projection = declare_normed(d, name + ".downsample.0", name + ".downsample.1",
                                      {out.channels, in.channels}, out.pixels());
  }
  return block;
}

AttentionPoolingId declare_pooling(Declaration& d, const MapShape& map, double layer_scale,
                                   ParameterId class_token) {
  AttentionPoolingId pooling;
  pooling.class_token = class_token;
  pooling.block = declare_class_block(
      d, "blocks_token_only.0.",
      {.width = map.channels, .patches = map.pixels(), .layer_scale = layer_scale, .mlp_ratio = 3});
  pooling.norm = d.norm("norm", map.channels, 1);
  return pooling;
}

}  // namespace

std::vector<ModelNames> ResNetConfig::names() { return names_of(kResNetRows); }

ResNetConfig ResNetConfig::resolve(const ModelConfig& config) {
  const ResNetRow& row = row_named(kResNetRows, config.name);
  ResNetConfig net{
      named_config(config, std::string(row.names.name), DropPathLaw::linear, row.attention_pooling)};
  net.bottleneck = row.bottleneck;
  net.attention_pooling = row.attention_pooling;
  net.depths = row.depths;
  net.layer_scale = config.layer_scale.value_or(net.layer_scale);
  return net;
}

ResNetParameters ResNetConfig::declare(Declaration& d) const {
  const std::int64_t count = std::accumulate(depths.begin(), depths.end(), std::int64_t{0});
  ResNetParameters p;
  MapShape in{stem, halved(image_size)};
  ParameterId class_token = 0;
  if (attention_pooling) {
    d.enter(static_cast<int>(count) + 1, 0);
    class_token = d.token("cls_token", widths.back() * expansion());
  }
  d.enter(0, 0);
  p.stem = declare_normed(d, "conv1", "bn1", {stem, 3, 7}, in.pixels());
  d.keeps(in.pixels() * stem);
  in.side = halved(in.side);
  d.keeps(3 * in.pixels() * stem);  // pooled, and where each came from: an index takes two numbers' room
  int entered = 0;
  for (std::size_t stage = 0; stage < depths.size(); ++stage) {
    for (std::int64_t block = 0; block < depths[stage]; ++block) {
      const bool halves = stage > 0 && block == 0;
      const MapShape out{widths[stage] * expansion(), halves ? halved(in.side) : in.side};
      d.enter(entered + 1, entered + 1);
      p.blocks.push_back(
          declare_block(d, fmt::format("layer{}.{}", stage + 1, block), in, out, widths[stage], bottleneck));
      ++entered;
      in = out;
    }
  }
  if (attention_pooling) {
    d.enter(entered + 1, entered);
    p.pooling = declare_pooling(d, in, layer_scale, class_token);
  }
  d.enter(entered + 1, entered + 1);
  const Init own = uniform_by_fan_in(in.channels);
  p.head.classes = d.head("fc", classes, in.channels, own, own);
  return p;
}

}  // namespace vitrail::models
