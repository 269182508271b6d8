#include "models/parameter_spec.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitrail::models {

std::int64_t ParameterSpec::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

std::string format_shape(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace vitrail::models
