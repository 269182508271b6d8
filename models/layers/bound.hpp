// The tensors that are bound to a model's parameters, by the handles of its declaration.
#pragma once

#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/declaration.hpp"
#include "models/layers/precision.hpp"

namespace vitrail::models {

// Refers to the model's list, which outlives every graph made with it.
class Bound {
 public:
  explicit Bound(const std::vector<at::Tensor>& tensors) : tensors_(&tensors) {}

  const at::Tensor& operator[](ParameterId id) const { return (*tensors_)[id]; }
  at::Tensor operator[](const std::optional<ParameterId>& id) const {  // undefined where there is none
    return id ? (*tensors_)[*id] : at::Tensor();
  }
  Affine operator[](const AffineId& id) const { return {(*tensors_)[id.weight], (*tensors_)[id.bias]}; }

 private:
  const std::vector<at::Tensor>* tensors_;
};

}  // namespace vitrail::models
