#include "models/declaration.hpp"

#include <cmath>
#include <utility>

namespace vitrail::models {

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

ParameterId Declaration::token(const std::string& name, std::int64_t width) {
  return add({.name = name, .shape = {1, 1, width}, .init = kNarrowNormal, .role = Role::token});
}

ParameterId Declaration::position(const std::string& name, std::int64_t tokens, std::int64_t width) {
  return add({.name = name, .shape = {1, tokens, width}, .init = kNarrowNormal, .role = Role::position});
}

ParameterId Declaration::gain(const std::string& name, std::int64_t width, double value) {
  return add({.name = name, .shape = {width}, .init = {Init::Law::constant, value}, .role = Role::gain});
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
  return add({.name = name, .shape = {width}, .init = init, .role = Role::bias});
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
                           const Init& init) {
  const AffineId head = linear(name, classes, width, 1, init);
  parameters_[head.weight].head = parameters_[head.bias].head = true;
  return head;
}

// It keeps a convolution's usual law: U(-1/sqrt(fan in), 1/sqrt(fan in)), bias included.
AffineId Declaration::patch_embedding(const std::string& name, std::int64_t width, std::int64_t patch,
                                      std::int64_t patches) {
  const std::int64_t fan_in = 3 * patch * patch;
  const Init convolution{Init::Law::uniform, 1.0 / std::sqrt(static_cast<double>(fan_in))};
  computes(patches * fan_in * width);
  keeps(patches * fan_in);
  const ParameterId weight = matrix(name + ".weight", {width, 3, patch, patch}, convolution);
  return {weight, bias(name + ".bias", width, convolution)};
}

// He's normal by the fan out. What backward needs of it is what batch norm reads.
NormedConvolutionId Declaration::normed_convolution(const std::string& name, std::vector<std::int64_t> shape,
                                                    std::int64_t groups, std::int64_t pixels, double value) {
  const std::int64_t out = shape[0], taps = shape[1] * shape[2] * shape[3];
  const std::int64_t fan_out = out * shape[2] * shape[3] / groups;
  computes(pixels * out * taps);
  keeps(pixels * out);
  NormedConvolutionId layer;
  layer.weight = matrix(name + ".conv.weight", std::move(shape),
                        {Init::Law::normal, std::sqrt(2.0 / static_cast<double>(fan_out))});
  layer.norm.weight = gain(name + ".bn.weight", out, value);
  layer.norm.bias = bias(name + ".bn.bias", out);
  layer.mean =
      add({.name = name + ".bn.running_mean", .shape = {out}, .init = kZero, .role = Role::statistic});
  layer.variance =
      add({.name = name + ".bn.running_var", .shape = {out}, .init = kOne, .role = Role::statistic});
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
