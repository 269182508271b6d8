#include "models/kernels/branch_rows.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/branch_rows_cuda_kernels.hpp"
#include "models/kernels/branch_rows_passes.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr BranchRowsPasses kAten{norm_of_rows_aten, norm_of_rows_backward_aten, add_to_rows_aten,
                                 add_to_rows_backward_aten};
constexpr BranchRowsPasses kCpu{norm_of_rows_cpu, norm_of_rows_backward_cpu, add_to_rows_cpu,
                                add_to_rows_backward_cpu};
constexpr BranchRowsPasses kCuda{norm_of_rows_cuda, norm_of_rows_backward_cuda, add_to_rows_cuda,
                                 add_to_rows_backward_cuda};

const BranchRowsPasses& passes_for(const Tensor& x, at::ScalarType type, bool as_on_gpu) {
  const bool fits = x.scalar_type() == at::kFloat && type != at::kDouble && x.dim() == 3 &&
                    x.size(2) % 4 == 0 && x.size(2) <= cuda::kLargestWidth;
  if ((x.is_cuda() || as_on_gpu) && fits) return kCuda;
  const bool is_wide = x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble;
  return x.is_cpu() && is_wide && x.scalar_type() == type ? kCpu : kAten;
}

std::optional<Tensor> maybe(const Tensor& x) { return x.defined() ? std::optional(x) : std::nullopt; }
Tensor or_none(const std::optional<Tensor>& x) { return x.value_or(Tensor()); }

// A gradient to be added to: the given one, if nobody else can see it change.
Tensor own(const Tensor& given) {
  const bool shared = given.use_count() > 1 || given.storage().use_count() > 1;
  return shared || !given.is_contiguous() ? given.clone(at::MemoryFormat::Contiguous) : given;
}

// What came past the branch, to be added to.
Tensor passed(AutogradContext* context, const Tensor& gradient, const Tensor& like) {
  return gradient.defined() ? own(gradient)
                            : at::zeros(context->saved_data.at("shape").toIntVector(), like.options());
}

class NormOfRows : public torch::autograd::Function<NormOfRows> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& gain,
                               const Tensor& bias, const std::optional<Tensor>& rows, at::ScalarType type,
                               const BranchRowsPasses& passes) {
    const NormedRows kept = passes.norm(x, or_none(rows), gain, bias, type);
    context->save_for_backward({kept.gathered, kept.mean, kept.rstd, gain, bias, or_none(rows)});
    context->saved_data["passes"] = reinterpret_cast<std::int64_t>(&passes);
    context->saved_data["shape"] = x.sizes();
    context->set_materialize_grads(false);
    return {kept.normed, x};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto& passes = *reinterpret_cast<const BranchRowsPasses*>(context->saved_data.at("passes").toInt());
    Tensor of_x = passed(context, gradients[1], saved[0]);
    if (!gradients[0].defined()) return {of_x, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
    const NormGradients of = passes.norm_backward(gradients[0], {Tensor(), saved[0], saved[1], saved[2]},
                                                  saved[5], saved[3], saved[4], of_x);
    return {of_x, of.gain, of.bias, Tensor(), Tensor(), Tensor()};
  }
};

class RowsOf : public torch::autograd::Function<RowsOf> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& x, const std::optional<Tensor>& rows) {
    context->save_for_backward({or_none(rows)});
    context->saved_data["like"] = at::empty({0}, x.options());
    context->saved_data["shape"] = x.sizes();
    context->set_materialize_grads(false);
    return {rows ? x.index_select(0, *rows) : at::alias(x), x};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor rows = context->get_saved_variables()[0];
    Tensor of_x = passed(context, gradients[1], context->saved_data.at("like").toTensor());
    if (!gradients[0].defined()) return {of_x, Tensor()};
    if (rows.defined())
      of_x.index_add_(0, rows, gradients[0]);
    else
      of_x.add_(gradients[0]);
    return {of_x, Tensor()};
  }
};

class AddToRows : public torch::autograd::Function<AddToRows> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& sum, const Tensor& y,
                        const std::optional<Tensor>& gamma, const std::optional<Tensor>& rows, double scale,
                        const BranchRowsPasses& passes) {
    context->save_for_backward({gamma ? y : Tensor(), or_none(gamma), or_none(rows)});
    context->saved_data["type"] = static_cast<std::int64_t>(y.scalar_type());
    context->saved_data["scale"] = scale;
    context->saved_data["passes"] = reinterpret_cast<std::int64_t>(&passes);
    return passes.add(sum, y, or_none(gamma), or_none(rows), scale);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto& passes = *reinterpret_cast<const BranchRowsPasses*>(context->saved_data.at("passes").toInt());
    const AddGradients of = passes.add_backward(
        gradients[0], saved[0], static_cast<at::ScalarType>(context->saved_data.at("type").toInt()), saved[1],
        saved[2], context->saved_data.at("scale").toDouble());
    return {gradients[0], of.y, of.gamma, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

BranchInput rows_of(const Tensor& x, const Tensor& rows) {
  variable_list both = RowsOf::apply(x, maybe(rows));
  return {std::move(both[0]), std::move(both[1])};
}

BranchInput norm_of_rows(const Tensor& x, const Tensor& rows, const Affine& p, at::ScalarType type) {
  variable_list both =
      NormOfRows::apply(x, p.weight, p.bias, maybe(rows), type, passes_for(x, type, p.as_on_gpu));
  return {std::move(both[0]), std::move(both[1])};
}

Tensor add_to_rows(const Tensor& sum, const Tensor& y, const Tensor& gamma, const Tensor& rows, double scale,
                   bool as_on_gpu) {
  return AddToRows::apply(sum, y, maybe(gamma), maybe(rows), scale,
                          passes_for(sum, y.scalar_type(), as_on_gpu));
}

}  // namespace vitrail::models
