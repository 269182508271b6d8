#include "models/families/regnet_config.hpp"

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

constexpr std::array<RegNetRow, 1> kRegNetRows = {
    {{{"regnety_160"}, 112, {{{224, 2}, {448, 4}, {1232, 11}, {3024, 1}}}}}};

constexpr Init kStartsAtZero{Init::Law::constant, 0.0};
constexpr Init kStartsAtOne{Init::Law::constant, 1.0};

void add_convolution(ParameterSpecs& specs, const std::string& name, std::vector<std::int64_t> shape) {
  const auto fan_out = static_cast<double>(shape[0] * shape[2] * shape[3]);
  specs.push_back({name, std::move(shape), {Init::Law::normal, std::sqrt(2.0 / fan_out)}});
}

// A convolution without bias, then batch norm.
void add_normed(ParameterSpecs& specs, const std::string& name, std::vector<std::int64_t> shape) {
  const std::int64_t out = shape[0];
  add_convolution(specs, name + ".conv.weight", std::move(shape));
  add_norm(specs, name + ".bn", out);
  specs.push_back({name + ".bn.running_mean", {out}, kStartsAtZero, true});
  specs.push_back({name + ".bn.running_var", {out}, kStartsAtOne, true});
}

void add_squeeze(ParameterSpecs& specs, const std::string& name, std::int64_t out, std::int64_t in) {
  add_convolution(specs, name + ".weight", {out, in, 1, 1});
  specs.push_back({name + ".bias", {out}, kStartsAtZero});
}

template <class T>
void refuse_if_given(const char* key, const std::optional<T>& value, const std::string& name) {
  if (value) throw Error(ExitCode::refused, fmt::format("model.{} = {}: {} has none", key, *value, name));
}

std::int64_t halved(std::int64_t side) { return (side + 1) / 2; }

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
  return net;
}

std::vector<RegNetBlock> regnet_blocks(const RegNetConfig& config) {
  std::vector<RegNetBlock> blocks;
  std::int64_t in = config.stem;
  for (std::size_t stage = 0; stage < config.stages.size(); ++stage) {
    const auto [width, depth] = config.stages[stage];
    for (std::int64_t block = 0; block < depth; ++block) {
      // Squeezed to a quarter of the block's input, halves to even as Python rounds.
      const std::int64_t squeezed = std::llrint(0.25 * static_cast<double>(in));
      blocks.push_back(
          {fmt::format("s{}.b{}", stage + 1, block + 1), in, width, block == 0 ? 2 : 1, squeezed});
      in = width;
    }
  }
  return blocks;
}

ParameterSpecs RegNetConfig::parameters() const {
  ParameterSpecs specs;
  add_normed(specs, "stem", {stem, 3, 3, 3});
  for (const RegNetBlock& block : regnet_blocks(*this)) {
    add_normed(specs, block.name + ".conv1", {block.out, block.in, 1, 1});
    add_normed(specs, block.name + ".conv2", {block.out, group, 3, 3});
    add_squeeze(specs, block.name + ".se.fc1", block.squeezed, block.out);
    add_squeeze(specs, block.name + ".se.fc2", block.out, block.squeezed);
    add_normed(specs, block.name + ".conv3", {block.out, block.out, 1, 1});
    if (block.has_projection()) add_normed(specs, block.name + ".downsample", {block.out, block.in, 1, 1});
  }
  add_linear(specs, "head.fc", classes, stages.back().width);
  return specs;
}

std::int64_t RegNetConfig::macs() const {
  std::int64_t side = halved(image_size);
  std::int64_t sum = side * side * 27 * stem;
  for (const RegNetBlock& b : regnet_blocks(*this)) {
    sum += side * side * b.in * b.out;  // conv1, before the stride
    if (b.stride == 2) side = halved(side);
    const std::int64_t projection = b.has_projection() ? b.in * b.out : 0;
    sum += side * side * (9 * group * b.out + b.out * b.out + projection) + 2 * b.squeezed * b.out;
  }
  return sum + stages.back().width * classes;
}

}  // namespace vitrail::models
