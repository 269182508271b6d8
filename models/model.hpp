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

struct Logits;  // logits.hpp

// What a forward pass draws from and reports to.
struct Pass {
  bool training = false;
  std::uint64_t seed = 0;  // with step and lane: the key of the stochastic-depth draws
  std::uint64_t step = 0;
  std::uint64_t lane = 0;
  double drop_path_scale = 1;  // of every layer's rate
  // May be empty; called with 0 (embedding), 1..depth (blocks, class attention included), depth + 1 (final
  // norm and head). Not called again where backward computes a block a second time.
  std::function<void(int)> before_block = nullptr;
  // Which of `images` a branch (0 attention, 1 MLP; of P parallel ones 0..P-1 and P..2P-1) of layer
  // 0..depth-1 is computed for, ascending. Empty: the draw of drop_path_mask.hpp. Set by comparisons
  // with other frameworks.
  std::function<std::vector<std::int64_t>(int layer, int branch, std::int64_t images)> kept_images = nullptr;
  bool rehearsal = false;  // every branch is computed for as many images as a draw ever keeps: the first ones

  void enter(int block) const {
    if (before_block) before_block(block);
  }
};

class Model {
 public:
  virtual ~Model() = default;

  // Registration order: timm's, close to the order of the forward pass.
  virtual const std::vector<ParameterSpec>& parameters() const = 0;
  // One tensor per parameter, of its shape, in that order; the model keeps the handles and nothing made from
  // them.
  virtual void bind(const std::vector<at::Tensor>& tensors) = 0;
  // With activation checkpointing the model must outlive the graph: backward comes back to it.
  virtual Logits forward(const at::Tensor& images, const Pass& pass) const = 0;
};

std::unique_ptr<Model> make_model(const ModelConfig& config);

}  // namespace vitrail::models
