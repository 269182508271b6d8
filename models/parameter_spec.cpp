#include "models/parameter_spec.hpp"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitrail::models {
namespace {

constexpr Init kZero{Init::Law::constant, 0.0};
constexpr Init kOne{Init::Law::constant, 1.0};

}  // namespace

std::int64_t ParameterSpec::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

void add_norm(ParameterSpecs& specs, const std::string& name, std::int64_t width) {
  specs.push_back({name + ".weight", {width}, kOne});
  specs.push_back({name + ".bias", {width}, kZero});
}

void add_linear(ParameterSpecs& specs, const std::string& name, std::int64_t out, std::int64_t in) {
  specs.push_back({name + ".weight", {out, in}, kNarrowNormal});
  specs.push_back({name + ".bias", {out}, kZero});
}

void add_layer_scale(ParameterSpecs& specs, const std::string& name, std::int64_t width, double value) {
  if (value > 0) specs.push_back({name, {width}, {Init::Law::constant, value}});
}

// It keeps a convolution's usual law: U(-1/sqrt(fan in), 1/sqrt(fan in)), bias included.
void add_patch_embedding(ParameterSpecs& specs, std::int64_t width, std::int64_t patch) {
  const auto fan_in = static_cast<double>(3 * patch * patch);
  const Init convolution{Init::Law::uniform, 1.0 / std::sqrt(fan_in)};
  specs.push_back({"patch_embed.proj.weight", {width, 3, patch, patch}, convolution});
  specs.push_back({"patch_embed.proj.bias", {width}, convolution});
}

std::string format_shape(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace vitrail::models
