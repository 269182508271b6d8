// Initial values of parameters: each element is a pure function of (seed, parameter name, element index), so
// a rank fills just the slice it owns and any number of ranks starts from the same weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace vitrail::models {

struct Init {
  // identity: `value` on the diagonal of a square matrix of `extent` columns. neighbours: row h of a matrix
  // [H,3] gives patches at (dx, dy) from another the logit a (dx, dy, dx^2 + dy^2)' that is largest at the
  // h-th of the `extent` x `extent` places around it, `value` its steepness (ConViT).
  // waves: rows of `value` columns, for each place of a grid of `extent` x `extent` sines and cosines of its
  // column, then of its row; the row before them is 0 (MAE).
  enum class Law { constant, normal, uniform, identity, neighbours, waves };
  Law law = Law::constant;
  double value =
      0;  // constant: the value; normal: standard deviation around 0; uniform: bound, U(-value, value)
  std::int64_t extent = 0;
};

// Elements [begin, begin + out.size()) of parameter `name`.
void fill_initial(const Init& init, std::uint64_t seed, const std::string& name, std::int64_t begin,
                  std::span<double> out);

}  // namespace vitrail::models
