// Dropout (Srivastava et al. 2014): each element of x [R, ...] is 0 with a probability, or divided by that of
// staying. Drawn from (seed, step, lane, row, site), so that no number of ranks or threads changes it, nor
// computing a part of the network a second time. A value: it may outlive its pass.
#pragma once

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>

#include "models/model.hpp"

namespace vitrail::models {

class Dropout {
 public:
  Dropout() = default;  // none
  // `site`: the number of the first place of the network where it is used.
  Dropout(const Pass& pass, double rate, int site);

  // In the place `further` behind the first one.
  at::Tensor operator()(const at::Tensor& x, int further = 0) const;

 private:
  double rate_ = 0;
  int site_ = 0;
  std::uint64_t seed_ = 0, step_ = 0, lane_ = 0;
  std::function<at::Tensor(int site, const at::Tensor& x)> kept_;
};

}  // namespace vitrail::models
