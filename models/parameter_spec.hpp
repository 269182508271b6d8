// A model's parameters as pure values, known before anything is allocated: timm's tensor name, shape, initial
// law.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/weights/init.hpp"

namespace vitrail::models {

struct ParameterSpec {
  std::string name;  // timm's tensor name
  std::vector<std::int64_t> shape;
  Init init;
  bool statistic = false;  // a batch norm's running statistic: stored with the weights, no parameter

  std::int64_t elements() const;
};

using ParameterSpecs = std::vector<ParameterSpec>;

// The recipes' normal is cut at +-2, a hundred standard deviations: it is a plain one.
inline constexpr Init kNarrowNormal{Init::Law::normal, 0.02};

void add_norm(ParameterSpecs& specs, const std::string& name, std::int64_t width);
void add_linear(ParameterSpecs& specs, const std::string& name, std::int64_t out, std::int64_t in);
void add_layer_scale(ParameterSpecs& specs, const std::string& name, std::int64_t width, double value);
void add_patch_embedding(ParameterSpecs& specs, std::int64_t width, std::int64_t patch);

std::string format_shape(const std::vector<std::int64_t>& shape);  // "[384, 3, 16, 16]"

}  // namespace vitrail::models
