// Hands each parameter's gradient, in the type that it is summed in, to the reducer the moment backward has
// finished it, so that no `.grad` stays and no second copy of the gradients exists. Alive as long as the
// object.
#pragma once

#include <memory>
#include <vector>

#include "sharding/state/gradient_reducer.hpp"

namespace at {
class Tensor;
}

namespace vitrail::trainer {

// `value` as parameter `index`'s gradient of the present lane.
void hand_over(const at::Tensor& value, std::size_t index, sharding::GradientReducer& reducer);

class GradientHooks {
 public:
  GradientHooks(const std::vector<at::Tensor>& parameters, sharding::GradientReducer& reducer);
  ~GradientHooks();
  GradientHooks(const GradientHooks&) = delete;
  GradientHooks& operator=(const GradientHooks&) = delete;

 private:
  struct Accumulators;
  std::unique_ptr<Accumulators> accumulators_;
};

}  // namespace vitrail::trainer
