#include "models/declaration.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {

Init uniform_by_fan_in(std::int64_t fan_in) {
  return {Init::Law::uniform, 1.0 / std::sqrt(static_cast<double>(fan_in))};
}

Init normal_by_fan_out(const Kernel& kernel) {
  const std::int64_t fan_out = kernel.out * kernel.side * kernel.side / kernel.groups;
  return {Init::Law::normal, std::sqrt(2.0 / static_cast<double>(fan_out))};
}

void Declaration::enter(int block, int layer) {
  block_ = block;
  layer_ = layer;
}

ParameterId Declaration::add(ParameterSpec spec) {
  spec.block = block_;
  spec.layer = layer_;
  parameters_.push_back(std::move(spec));
  return parameters_.size() - 1;
}

ParameterId Declaration::token(const std::string& name, std::int64_t width) { return tokens(name, 1, width); }

ParameterId Declaration::tokens(const std::string& name, std::int64_t count, std::int64_t width) {
  return add({.name = name, .shape = {1, count, width}, .init = kNarrowNormal, .role = Role::token});
}

ParameterId Declaration::position(const std::string& name, std::int64_t tokens, std::int64_t width) {
  return add({.name = name, .shape = {1, tokens, width}, .init = kNarrowNormal, .role = Role::position});
}

ParameterId Declaration::gain(const std::string& name, std::int64_t width, double value) {
  return gain(name, std::vector{width}, value);
}

ParameterId Declaration::gain(const std::string& name, std::vector<std::int64_t> shape, double value) {
  return add(
      {.name = name, .shape = std::move(shape), .init = {Init::Law::constant, value}, .role = Role::gain});
}

ParameterId Declaration::temperature(const std::string& name, std::int64_t heads) {
  return add({.name = name, .shape = {heads, 1, 1}, .init = kOne, .role = Role::gain, .decays = true});
}

std::optional<ParameterId> Declaration::layer_scale(const std::string& name, std::int64_t width,
                                                    double value) {
  return value > 0 ? std::optional(gain(name, width, value)) : std::nullopt;
}

ParameterId Declaration::matrix(const std::string& name, std::vector<std::int64_t> shape, const Init& init) {
  return add({.name = name,
              .shape = std::move(shape),
              .init = init,
              .role = Role::weight,
              .decays = true,
              .in_compute_type = true});
}

ParameterId Declaration::bias(const std::string& name, std::int64_t width, const Init& init) {
  return bias(name, std::vector{width}, init);
}

ParameterId Declaration::bias(const std::string& name, std::vector<std::int64_t> shape, const Init& init) {
  return add({.name = name, .shape = std::move(shape), .init = init, .role = Role::bias});
}

AffineId Declaration::norm(const std::string& name, std::int64_t width, std::int64_t rows) {
  computes(5 * rows * width);
  const ParameterId weight = gain(name + ".weight", width, 1);
  return {weight, bias(name + ".bias", width)};
}

AffineId Declaration::linear(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t rows,
                             const Init& init) {
  computes(rows * out * in);
  const ParameterId weight = matrix(name + ".weight", {out, in}, init);
  return {weight, bias(name + ".bias", out)};
}

AffineId Declaration::head(const std::string& name, std::int64_t classes, std::int64_t width,
                           const Init& init, const Init& bias_init) {
  const AffineId head = linear(name, classes, width, 1, init);
  parameters_[head.weight].head = parameters_[head.bias].head = true;
  parameters_[head.bias].init = bias_init;
  return head;
}

std::int64_t Declaration::drop_head(const std::string& model) {
  const std::size_t all = parameters_.size();
  const bool ends_linear = std::ranges::count(parameters_, true, &ParameterSpec::head) == 2 &&
                           parameters_[all - 2].head && parameters_[all - 2].shape.size() == 2;
  if (!ends_linear) {
    throw Error(ExitCode::refused,
                fmt::format("model.name = {}: its head is no single linear layer, so no other one can take "
                            "its place",
                            model),
                "choose a network with one classifier on one feature, as deit_s16 or resnet50");
  }
  const ParameterSpec weight = parameters_[all - 2];
  parameters_.resize(all - 2);
  enter(weight.block, weight.layer);
  if (costs_.macs > 0) costs_.macs -= weight.elements();
  return weight.shape[1];
}

void Declaration::begins_anew(const AffineId& norm, const std::string& stored) {
  parameters_[norm.weight].replaces = stored + ".weight";
  parameters_[norm.bias].replaces = stored + ".bias";
}

void Declaration::start_by_xavier() {
  for (ParameterSpec& spec : parameters_) {
    if (spec.role != Role::weight) continue;
    const std::int64_t out = spec.shape[0], in = spec.elements() / out;
    spec.init = {Init::Law::uniform, std::sqrt(6.0 / static_cast<double>(in + out))};
  }
}

void Declaration::fix_all() {
  for (ParameterSpec& spec : parameters_) spec.fixed = true;
}

void Declaration::mark_head(std::size_t first) {
  for (std::size_t p = first; p < parameters_.size(); ++p) parameters_[p].head = true;
}

// It keeps a convolution's usual law: U(-1/sqrt(fan in), 1/sqrt(fan in)), bias included.
AffineId Declaration::patch_embedding(const std::string& name, std::int64_t width, std::int64_t patch,
                                      std::int64_t patches) {
  const std::int64_t fan_in = 3 * patch * patch;
  const Init convolution = uniform_by_fan_in(fan_in);
  computes(patches * fan_in * width);
  keeps(patches * fan_in);
  const ParameterId weight = matrix(name + ".weight", {width, 3, patch, patch}, convolution);
  return {weight, bias(name + ".bias", width, convolution)};
}

AffineId Declaration::convolution(const std::string& name, const Kernel& kernel, std::int64_t pixels) {
  const Init init = uniform_by_fan_in(kernel.taps());
  computes(pixels * kernel.out * kernel.taps());
  const ParameterId weight = matrix(name + ".weight", kernel.shape(), init);
  return {weight, bias(name + ".bias", kernel.out, init)};
}

// What backward needs of it is what batch norm reads.
NormedWeightId Declaration::normed_convolution(const std::string& name, const std::string& norm,
                                               const Kernel& kernel, std::int64_t pixels, const Init& init,
                                               double value) {
  computes(pixels * kernel.out * kernel.taps());
  keeps(pixels * kernel.out);
  const ParameterId weight = matrix(name + ".weight", kernel.shape(), init);
  return {weight, batch_norm(norm, kernel.out, value)};
}

BatchNormId Declaration::batch_norm(const std::string& name, std::int64_t width, double value) {
  const ParameterId weight = gain(name + ".weight", width, value);
  BatchNormId layer{{weight, bias(name + ".bias", width)}};
  layer.mean =
      add({.name = name + ".running_mean", .shape = {width}, .init = kZero, .role = Role::statistic});
  layer.variance =
      add({.name = name + ".running_var", .shape = {width}, .init = kOne, .role = Role::statistic});
  return layer;
}

void Declaration::computes(std::int64_t macs) {
  (current_ ? costs_.branches[*current_].macs : costs_.macs) += macs;
}

void Declaration::keeps(std::int64_t numbers) {
  (current_ ? costs_.branches[*current_].kept : costs_.kept) += numbers;
}

void Declaration::begin(const BranchCost& branch) {
  costs_.branches.push_back(branch);
  costs_.branches.back().block = block_;
  current_ = costs_.branches.size() - 1;
}

void Declaration::segments(std::int64_t blocks, std::int64_t input) {
  costs_.segment = blocks;
  costs_.segment_input = input;
}

}  // namespace vitrail::models
