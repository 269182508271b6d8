#include "models/families/regnet/regnet_config.hpp"

#include <cmath>

#include <fmt/format.h>

namespace vitrail::models {
namespace {

struct RegNetRow {
  ModelNames names;
  std::int64_t group;
  std::array<RegNetConfig::Stage, 4> stages;  // width, depth
};

constexpr std::array<RegNetRow, 6> kRegNetRows = {
    {{{"regnety_002", {}, true}, 8, {{{24, 1}, {56, 1}, {152, 4}, {368, 7}}}},
     {{"regnety_040", {}, true}, 64, {{{128, 2}, {192, 6}, {512, 12}, {1088, 2}}}},
     {{"regnety_080", {}, true}, 56, {{{168, 2}, {448, 4}, {896, 10}, {2016, 1}}}},
     {{"regnety_120", {}, true}, 112, {{{224, 2}, {448, 5}, {896, 11}, {2240, 1}}}},
     {{"regnety_160", {}, true}, 112, {{{224, 2}, {448, 4}, {1232, 11}, {3024, 1}}}},
     {{"regnety_320", {}, true}, 232, {{{232, 2}, {696, 5}, {1392, 12}, {3712, 1}}}}}};

// Before and behind a bottleneck: channels, and pixels a side.
struct Shape {
  std::int64_t channels, side;
};

// A bottleneck's convolution and its norm.
NormedWeightId declare_normed(Declaration& d, const std::string& name, const Kernel& kernel,
                              std::int64_t pixels, double gain = 1) {
  return d.normed_convolution(name + ".conv", name + ".bn", kernel, pixels, normal_by_fan_out(kernel), gain);
}

AffineId declare_squeeze(Declaration& d, const std::string& name, std::int64_t out, std::int64_t in) {
  const Init he{Init::Law::normal, std::sqrt(2.0 / static_cast<double>(out))};
  d.computes(out * in);
  const ParameterId weight = d.matrix(name + ".weight", {out, in, 1, 1}, he);
  return {weight, d.bias(name + ".bias", out)};
}

BottleneckId declare_block(Declaration& d, const std::string& name, const Shape& in, const Shape& out,
                           bool first, std::int64_t group) {
  const std::int64_t before = in.side * in.side, after = out.side * out.side;
  // Squeezed to a quarter of the block's input, halves to even as Python rounds.
  const std::int64_t squeezed = std::llrint(0.25 * static_cast<double>(in.channels));
  BottleneckId block;
  block.stride = first ? 2 : 1;  // of its stage
  block.groups = out.channels / group;
  block.conv1 = declare_normed(d, name + ".conv1", {out.channels, in.channels}, before);
  block.conv2 = declare_normed(d, name + ".conv2", {out.channels, out.channels, 3, block.groups}, after);
  block.squeeze = declare_squeeze(d, name + ".se.fc1", squeezed, out.channels);
  block.excite = declare_squeeze(d, name + ".se.fc2", out.channels, squeezed);
  // Both inner rectifiers' outputs, what the gate lets through, and the block's own.
  d.keeps((before + 3 * after) * out.channels);
  block.conv3 = declare_normed(d, name + ".conv3", {out.channels, out.channels}, after, 0);
  if (in.channels != out.channels || block.stride != 1)
    block.projection = declare_normed(d, name + ".downsample", {out.channels, in.channels}, after);
  return block;
}

}  // namespace

std::vector<ModelNames> RegNetConfig::names() { return names_of(kRegNetRows); }

RegNetConfig RegNetConfig::resolve(const ModelConfig& config) {
  const RegNetRow& row = row_named(kRegNetRows, config.name);
  RegNetConfig net{named_config(config, std::string(row.names.name), DropPathLaw::linear)};
  net.group = row.group;
  net.stages = row.stages;
  return net;
}

RegNetParameters RegNetConfig::declare(Declaration& d) const {
  RegNetParameters p;
  Shape in{stem, halved(image_size)};
  d.enter(0, 0);
  p.stem = declare_normed(d, "stem", {stem, 3, 3}, in.side * in.side);
  d.keeps(in.side * in.side * stem);
  int entered = 0;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    for (std::int64_t block = 0; block < stages[stage].depth; ++block) {
      d.enter(entered + 1, entered + 1);
      const Shape out{stages[stage].width, block == 0 ? halved(in.side) : in.side};
      p.blocks.push_back(
          declare_block(d, fmt::format("s{}.b{}", stage + 1, block + 1), in, out, block == 0, group));
      ++entered;
      in = out;
    }
  }
  d.enter(entered + 1, entered + 1);
  p.head.classes = d.head("head.fc", classes, stages.back().width, {Init::Law::normal, 0.01});
  return p;
}

}  // namespace vitrail::models
