// Initial values of parameters: each element is a pure function of (seed, parameter name, element index), so
// a rank fills just the slice it owns and any number of ranks starts from the same weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace vitrail::models {

struct Init {
  enum class Law { constant, normal, uniform };
  Law law = Law::constant;
  double value =
      0;  // constant: the value; normal: standard deviation around 0; uniform: bound, U(-value, value)
};

// Elements [begin, begin + out.size()) of parameter `name`.
void fill_initial(const Init& init, std::uint64_t seed, const std::string& name, std::int64_t begin,
                  std::span<double> out);

}  // namespace vitrail::models
