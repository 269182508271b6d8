// A residual branch computed only for the images that stochastic depth keeps: the law of computing all and
// zeroing some, without the work. x [B, ...]; the branch maps kept rows [R, ...] to the same shape, R = 0
// included, so that every parameter of the branch gets a gradient, zero where no image was kept.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/layers/precision.hpp"
#include "models/model.hpp"

namespace vitrail::models {

using Branch = std::function<at::Tensor(const at::Tensor&)>;

// x + scale * f(norm(x)), as most are.
struct NormedBranch {
  Affine norm;
  at::ScalarType type;  // of what f takes: its first layer's
  at::Tensor scale;     // LayerScale; undefined: none
  Branch f;
  bool recomputed = false;  // in backward, which then finds its input only
};

// LayerScale with the same bits as where the branch joins the sum, for branches that are computed again in
// backward with it.
at::Tensor scaled_rows(const at::Tensor& y, const at::Tensor& gamma);

// x plus the branch, of all images.
at::Tensor residual(const at::Tensor& x, const NormedBranch& branch);

// The images that each branch of a pass is computed for, drawn at once and brought to the device in one copy.
class KeptRows {
 public:
  KeptRows(const DropPath& law, const Pass& pass, std::int64_t images, at::Device device);

  // [R] int64, ascending; undefined: all.
  const at::Tensor& of(int layer, int branch) const;
  // 1 / (1 - rate) keeps the mean.
  double scale(int layer) const { return scales_[static_cast<std::size_t>(layer)]; }

 private:
  int branches_;
  std::vector<double> scales_;    // by layer
  std::vector<at::Tensor> rows_;  // by layer and branch
};

// The branches of one layer, in one pass.
class StochasticDepth {
 public:
  StochasticDepth(const Pass& pass, int layer) : rows_(pass.rows.get()), layer_(layer) {}

  // sum + branch(x), for the images of branch number `index` that the pass keeps.
  at::Tensor add(const at::Tensor& sum, const at::Tensor& x, int index, const NormedBranch& branch) const;
  at::Tensor add(const at::Tensor& sum, const at::Tensor& x, int index, const Branch& branch,
                 const at::Tensor& gamma = {}) const;  // LayerScale; undefined: none
  // The same where the branch was computed for all images, as batch norm in it wants: y is branch(x).
  at::Tensor add_computed(const at::Tensor& sum, const at::Tensor& y, int index,
                          const at::Tensor& gamma = {}) const;

  // Whether that branch is there for all images.
  bool keeps_all(int index) const { return !kept(index).defined(); }

 private:
  at::Tensor kept(int index) const { return rows_ == nullptr ? at::Tensor() : rows_->of(layer_, index); }
  double scale() const { return rows_ == nullptr ? 1 : rows_->scale(layer_); }

  const KeptRows* rows_;
  int layer_;
};

}  // namespace vitrail::models
