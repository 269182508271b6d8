#include "models/families/regnet/regnet_config.hpp"

#include <cmath>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

struct RegNetRow {
  ModelNames names;
  std::int64_t group;
  std::array<RegNetConfig::Stage, 4> stages;  // width, depth
};

constexpr std::array<RegNetRow, 2> kRegNetRows = {
    {{{"regnety_002", {}, true}, 8, {{{24, 1}, {56, 1}, {152, 4}, {368, 7}}}},
     {{"regnety_160", {}, true}, 112, {{{224, 2}, {448, 4}, {1232, 11}, {3024, 1}}}}}};

// Before and behind a bottleneck: channels, and pixels a side.
struct Shape {
  std::int64_t channels, side;
};

template <class T>
void refuse_if_given(const char* key, const std::optional<T>& value, const std::string& name) {
  if (value) throw Error(ExitCode::refused, fmt::format("model.{} = {}: {} has none", key, *value, name));
}

std::int64_t halved(std::int64_t side) { return (side + 1) / 2; }

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
  block.conv1 = d.normed_convolution(name + ".conv1", {out.channels, in.channels, 1, 1}, 1, before);
  block.conv2 = d.normed_convolution(name + ".conv2", {out.channels, group, 3, 3}, block.groups, after);
  block.squeeze = declare_squeeze(d, name + ".se.fc1", squeezed, out.channels);
  block.excite = declare_squeeze(d, name + ".se.fc2", out.channels, squeezed);
  // Both inner rectifiers' outputs, what the gate lets through, and the block's own.
  d.keeps((before + 3 * after) * out.channels);
  block.conv3 = d.normed_convolution(name + ".conv3", {out.channels, out.channels, 1, 1}, 1, after, 0);
  if (in.channels != out.channels || block.stride != 1)
    block.projection =
        d.normed_convolution(name + ".downsample", {out.channels, in.channels, 1, 1}, 1, after);
  return block;
}

}  // namespace

std::vector<ModelNames> RegNetConfig::names() { return names_of(kRegNetRows); }

RegNetConfig RegNetConfig::resolve(const ModelConfig& config) {
  const RegNetRow& row = row_named(kRegNetRows, config.name);
  const std::string name(row.names.name);
  refuse_if_given("patch", config.patch, name);
  refuse_if_given("width", config.width, name);
  refuse_if_given("depth", config.depth, name);
  refuse_if_given("heads", config.heads, name);
  refuse_if_given("parallel", config.parallel, name);
  refuse_if_given("layer_scale", config.layer_scale, name);
  if (config.activation_checkpointing != "none") {
    throw Error(ExitCode::refused, fmt::format("model.activation_checkpointing = {}: {} has none",
                                               config.activation_checkpointing, name));
  }
  if (config.classes < 1 || config.image_size < 1) {
    throw Error(ExitCode::refused,
                fmt::format("model.classes = {}, model.image_size = {}: must be at least 1", config.classes,
                            config.image_size));
  }
  RegNetConfig net{.name = name};
  net.group = row.group;
  net.stages = row.stages;
  net.image_size = config.image_size;
  net.classes = config.classes;
  net.drop_path = config.drop_path;
  if (config.drop_path_law != DropPathLaw::of_model) net.drop_path_law = config.drop_path_law;
  return net;
}

RegNetParameters RegNetConfig::declare(Declaration& d) const {
  std::int64_t count = 0;
  for (const Stage& stage : stages) count += stage.depth;
  RegNetParameters p;
  Shape in{stem, halved(image_size)};
  d.enter(0, 0);
  p.stem = d.normed_convolution("stem", {stem, 3, 3, 3}, 1, in.side * in.side);
  d.keeps(in.side * in.side * stem);
  int entered = 0;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    for (std::int64_t block = 0; block < stages[stage].depth; ++block) {
      d.enter(entered + 1, entered + 1);
      const Shape out{stages[stage].width, block == 0 ? halved(in.side) : in.side};
      p.blocks.push_back(
          declare_block(d, fmt::format("s{}.b{}", stage + 1, block + 1), in, out, block == 0, group));
      const double place = count == 1 ? 0 : static_cast<double>(entered) / static_cast<double>(count - 1);
      p.blocks.back().drop_path = drop_path_law == DropPathLaw::constant ? drop_path : drop_path * place;
      ++entered;
      in = out;
    }
  }
  d.enter(entered + 1, entered + 1);
  p.head.classes = d.head("head.fc", classes, stages.back().width, {Init::Law::normal, 0.01});
  return p;
}

}  // namespace vitrail::models
