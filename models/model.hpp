// What every model is: named parameters (a pure value, known before anything is allocated) and a forward pass over
// tensors that somebody else owns. Shapes: images [B,3,S,S] -> logits [B,K].
// Throws: Error(refused) for a configuration that cannot exist, Error(usage) for an unknown name (nearest named).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/init.hpp"
#include "models/model_config.hpp"

namespace at {
class Tensor;
}

namespace vitrail::models {

struct ParameterSpec {
  std::string name;  // timm's tensor name
  std::vector<std::int64_t> shape;
  Init init;

  std::int64_t elements() const;
};

// What a forward pass draws from and reports to.
struct Pass {
  bool training = false;
  std::uint64_t seed = 0;   // with step and lane: the key of the stochastic-depth draws
  std::uint64_t step = 0;
  std::uint64_t lane = 0;
  std::function<void(int)> before_block;  // may be empty; called with 0 (embedding), 1..depth (blocks), depth + 1 (head)
};

class Model {
 public:
  virtual ~Model() = default;

  // Registration order: the order of the forward pass.
  virtual const std::vector<ParameterSpec>& parameters() const = 0;
  // One tensor per parameter, of its shape, in that order; the model keeps the handles.
  virtual void bind(const std::vector<at::Tensor>& tensors) = 0;
  virtual at::Tensor forward(const at::Tensor& images, const Pass& pass) const = 0;
};

std::unique_ptr<Model> make_model(const ModelConfig& config);

}  // namespace vitrail::models
