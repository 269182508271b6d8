#include "models/kernels/rows/rows.hpp"

#include <optional>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

RowParts parts_of(const Tensor& x) { return {x.numel() / x.size(-1), x.size(-1)}; }

class BiasedGelu : public torch::autograd::Function<BiasedGelu> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& given, const std::optional<Tensor>& bias) {
    const Tensor x = given.contiguous();
    const RowParts parts = parts_of(x);
    const Tensor y = at::empty_like(x);
    const std::int64_t width = x.size(-1);
    const float* const added = bias ? bias->const_data_ptr<float>() : nullptr;
    parts.each([&, from = x.const_data_ptr<float>(), to = y.mutable_data_ptr<float>()](std::int64_t part) {
      const std::int64_t at = parts.first(part) * width;
      row_kernels().gelu.forward(parts.shape(part), from + at, added, to + at);
    });
    context->save_for_backward({x, bias.value_or(Tensor())});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    const Tensor& bias = saved[1];
    const Tensor gradient = gradients[0].contiguous(), of_x = at::empty_like(x);
    const RowParts parts = parts_of(x);
    const std::int64_t width = x.size(-1);
    const float* const added = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
    PartSums<float> sums(added != nullptr ? parts.count() : 0, width, 1);
    parts.each([&, g = gradient.const_data_ptr<float>(), from = x.const_data_ptr<float>(),
                to = of_x.mutable_data_ptr<float>()](std::int64_t part) {
      const std::int64_t at = parts.first(part) * width;
      row_kernels().gelu.backward(parts.shape(part), g + at, from + at, added, to + at,
                                  added != nullptr ? sums.of(part) : nullptr);
    });
    return {of_x, added != nullptr ? sums.total(0, x.options()) : Tensor()};
  }
};

}  // namespace

const RowKernelTable& row_kernels() {
  if (__builtin_cpu_supports("avx512f")) return avx512::kRows;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kRows;
  return baseline::kRows;
}

template <class Number>
Tensor PartSums<Number>::total(std::int64_t which, const at::TensorOptions& options) const {
  std::vector<double> total(static_cast<std::size_t>(width_));
  const std::int64_t parts = static_cast<std::int64_t>(numbers_.size()) / (sums_ * width_);
  for (std::int64_t part = 0; part < parts; ++part) {
    const Number* const of_part = numbers_.data() + (part * sums_ + which) * width_;
    for (std::int64_t i = 0; i < width_; ++i) total[static_cast<std::size_t>(i)] += of_part[i];
  }
  return at::tensor(total, at::kDouble).to(options);
}

template class PartSums<float>;
template class PartSums<double>;

Tensor biased_gelu(const Tensor& x, const Tensor& bias) {
  const bool ours = x.is_cpu() && x.scalar_type() == at::kFloat &&
                    (!bias.defined() || bias.scalar_type() == at::kFloat);
  if (ours) return BiasedGelu::apply(x, bias.defined() ? std::optional(bias) : std::nullopt);
  return at::gelu(bias.defined() ? x + bias : x);
}

}  // namespace vitrail::models
