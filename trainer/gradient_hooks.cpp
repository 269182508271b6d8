#include "trainer/gradient_hooks.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {
namespace {

using torch::autograd::variable_list;

class HandOver final : public torch::autograd::FunctionPostHook {
 public:
  HandOver(at::Tensor parameter, std::size_t index, sharding::GradientReducer& reducer)
      : parameter_(std::move(parameter)), index_(index), reducer_(reducer) {}

  variable_list operator()(const variable_list& outputs, const variable_list&) override {
    at::Tensor gradient = std::move(parameter_.mutable_grad());
    parameter_.mutable_grad() = at::Tensor();
    hand_over(gradient, index_, reducer_);
    return outputs;
  }

 private:
  at::Tensor parameter_;
  std::size_t index_;
  sharding::GradientReducer& reducer_;
};

}  // namespace

void hand_over(const at::Tensor& value, std::size_t index, sharding::GradientReducer& reducer) {
  const DataType wanted = reducer.type_of(index), given = data_type(value.scalar_type());
  const bool widens = given != wanted && sum_type(given) == wanted;  // on its way into the bucket
  const at::Tensor whole = (widens ? value : value.to(tensor_type(wanted))).contiguous();
  reducer.add(index, static_cast<const std::byte*>(whole.const_data_ptr()), widens ? given : wanted);
}

// A parameter knows its accumulator only weakly: unless we hold it, the hook dies with the first graph.
struct GradientHooks::Accumulators {
  std::vector<std::shared_ptr<torch::autograd::Node>> nodes;
};

GradientHooks::GradientHooks(const std::vector<at::Tensor>& parameters, sharding::GradientReducer& reducer)
    : accumulators_(std::make_unique<Accumulators>()) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].requires_grad()) continue;  // finetune.train_only, statistics
    auto node = torch::autograd::impl::grad_accumulator(parameters[i]);
    node->add_post_hook(std::make_unique<HandOver>(parameters[i], i, reducer));
    accumulators_->nodes.push_back(std::move(node));
  }
}

GradientHooks::~GradientHooks() = default;

}  // namespace vitrail::trainer
