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
class StochasticDepth {
 public:
  StochasticDepth(const Pass& pass, double rate, int layer, int branches)
      : pass_(pass), rate_(rate), layer_(layer), branches_(branches) {}

  // sum + branch(x), for the images of branch number `index` that the pass keeps.
  at::Tensor add(const at::Tensor& sum, const at::Tensor& x, int index, const Branch& branch) const;
  // The same where the branch was computed for all images, as batch norm in it wants: y is branch(x).
  at::Tensor add_computed(const at::Tensor& sum, const at::Tensor& y, int index) const;

 private:
  bool keeps_all() const { return !pass_.training || rate_ == 0; }
  std::vector<std::int64_t> kept(int index, std::int64_t images) const;

  const Pass& pass_;
  double rate_;
  int layer_, branches_;
};

}  // namespace vitrail::models
