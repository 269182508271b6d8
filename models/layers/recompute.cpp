#include "models/layers/recompute.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct KeptSegment : torch::CustomClassHolder {
  explicit KeptSegment(Segment segment) : run(std::move(segment)) {}
  Segment run;
};

class Recompute : public torch::autograd::Function<Recompute> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Segment& segment) {
    context->save_for_backward({x});
    context->saved_data["segment"] = c10::IValue::make_capsule(c10::make_intrusive<KeptSegment>(segment));
    return segment(x, false);  // nothing is recorded in here
  }

  // A backward pass within the backward pass: parameters get their gradients from the inner one.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto kept =
        c10::static_intrusive_pointer_cast<KeptSegment>(context->saved_data.at("segment").toCapsule());
    const Tensor x = context->get_saved_variables().front().detach().requires_grad_();
    Tensor y;
    {
      const at::AutoGradMode record(true);
      y = kept->run(x, true);
    }
    torch::autograd::backward({y}, gradients);
    return {x.grad(), Tensor()};
  }
};

}  // namespace

Tensor recomputed(const Tensor& x, const Segment& segment) {
  if (!at::GradMode::is_enabled()) return segment(x, false);
  // A frozen embedding's output needs no gradient, the segment's parameters do.
  return Recompute::apply(x.requires_grad() ? x : x.detach().requires_grad_(), segment);
}

Branch recomputed(Branch branch) {
  return [branch = std::move(branch)](const Tensor& x) {
    return recomputed(x, [branch](const Tensor& z, bool) { return branch(z); });
  };
}

}  // namespace vitrail::models
