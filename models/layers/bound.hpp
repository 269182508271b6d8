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
  Bound(const std::vector<at::Tensor>& tensors, bool as_on_gpu) : tensors_(&tensors), as_on_gpu_(as_on_gpu) {}

  const at::Tensor& operator[](ParameterId id) const { return (*tensors_)[id]; }
  at::Tensor operator[](const std::optional<ParameterId>& id) const {  // undefined where there is none
    return id ? (*tensors_)[*id] : at::Tensor();
  }
  Affine operator[](const AffineId& id) const {
    return {(*tensors_)[id.weight], (*tensors_)[id.bias], as_on_gpu_};
  }
  bool as_on_gpu() const { return as_on_gpu_; }

 private:
  const std::vector<at::Tensor>* tensors_;
  bool as_on_gpu_;
};

}  // namespace vitrail::models
