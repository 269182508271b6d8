// A model's parameters as pure values, known before anything is allocated: timm's tensor name, shape, initial
// law.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/init.hpp"

namespace vitrail::models {

struct ParameterSpec {
  std::string name;  // timm's tensor name
  std::vector<std::int64_t> shape;
  Init init;

  std::int64_t elements() const;
};

std::string format_shape(const std::vector<std::int64_t>& shape);  // "[384, 3, 16, 16]"

}  // namespace vitrail::models
