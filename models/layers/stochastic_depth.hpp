// A residual branch computed only for the images that stochastic depth keeps: the law of computing all and
// zeroing some, without the work. x [B, ...]; the branch maps kept rows [R, ...] to the same shape, R = 0
// included, so that every parameter of the branch gets a gradient, zero where no image was kept.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/model.hpp"

namespace vitrail::models {

using Branch = std::function<at::Tensor(const at::Tensor&)>;

// sum, plus scale * branch(x[kept]) on the kept rows; the others pass through. scale = 1 / (1 - rate) keeps
// the mean.
at::Tensor add_to_kept(const at::Tensor& sum, const at::Tensor& x, const std::vector<std::int64_t>& kept,
                       double scale, const Branch& branch);

// The branches of one layer, in one pass.
struct StochasticDepth {
  const Pass& pass;
  double rate;
  int layer, branches;

  // sum + branch(x), for the images of branch number `index` that the pass keeps.
  at::Tensor add(const at::Tensor& sum, const at::Tensor& x, int index, const Branch& branch) const;
};

}  // namespace vitrail::models
