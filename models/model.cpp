#include "models/model.hpp"

#include <ATen/ATen.h>

#include "models/families/families.hpp"
#include "models/logits.hpp"
#include "models/layers/precision.hpp"

namespace vitrail::models {

at::Tensor Logits::mean() const {
  return distillation.defined() ? (widened(classes) + widened(distillation)) / 2 : widened(classes);
}

std::unique_ptr<Model> make_model(const ModelConfig& config) {
  return std::visit([](const auto& family) { return make(family); }, resolve(config));
}

}  // namespace vitrail::models
