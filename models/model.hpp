// What every model is: named parameters (a pure value, known before anything is allocated) and a forward pass
// over tensors that somebody else owns. Shapes: images [B,3,S,S] -> logits [B,K]. Throws: Error(refused) for
// a configuration that cannot exist or images of another shape, Error(usage) for an unknown name (nearest
// named).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "models/model_config.hpp"
#include "models/parameter_spec.hpp"

namespace at {
class Tensor;
}

namespace vitrail::models {

// What a forward pass draws from and reports to.
struct Pass {
  bool training = false;
  std::uint64_t seed = 0;  // with step and lane: the key of the stochastic-depth draws
  std::uint64_t step = 0;
  std::uint64_t lane = 0;
  // May be empty; called with 0 (embedding), 1..depth (blocks), depth + 1 (final norm and head).
  std::function<void(int)> before_block = nullptr;
  // Which of `images` a branch (0 attention, 1 MLP) of layer 0..depth-1 is computed for, ascending. Empty:
  // the draw of drop_path_mask.hpp. Set by rehearsals of a given load and by comparisons with other
  // frameworks.
  std::function<std::vector<std::int64_t>(int layer, int branch, std::int64_t images)> kept_images = nullptr;
};

class Model {
 public:
  virtual ~Model() = default;

  // Registration order: the order of the forward pass.
  virtual const std::vector<ParameterSpec>& parameters() const = 0;
  // One tensor per parameter, of its shape, in that order; the model keeps the handles and nothing made from
  // them.
  virtual void bind(const std::vector<at::Tensor>& tensors) = 0;
  virtual at::Tensor forward(const at::Tensor& images, const Pass& pass) const = 0;
};

std::unique_ptr<Model> make_model(const ModelConfig& config);

}  // namespace vitrail::models
