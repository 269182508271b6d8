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

template <class Number>
variable_list affine_gradients(const Tensor& gradient, const Tensor& x, const Tensor& gain) {
  const RowParts parts = parts_of(x);
  const std::int64_t width = x.size(-1);
  const Tensor of_x = at::empty_like(x);
  PartSums<Number> sums(parts.count(), width, 1);
  parts.each([&, g = gradient.const_data_ptr<Number>(), from = x.const_data_ptr<Number>(),
              factors = gain.const_data_ptr<Number>(),
              to = of_x.mutable_data_ptr<Number>()](std::int64_t part) {
    const std::int64_t at = parts.first(part) * width;
    row_kernels_of<Number>().add_backward(parts.shape(part), g + at, from + at, factors, 1, to + at,
                                          sums.of(part));
  });
  return {of_x, sums.total(0, gain.options()).view(gain.sizes()),
          gradient.flatten(0, -2).sum(0).view(gain.sizes())};
}

class AffineRows : public torch::autograd::Function<AffineRows> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& gain, const Tensor& bias) {
    context->save_for_backward({x.contiguous(), gain});
    return at::addcmul(bias, gain, x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor gradient = gradients[0].contiguous();
    return gradient.scalar_type() == at::kFloat ? affine_gradients<float>(gradient, saved[0], saved[1])
                                                : affine_gradients<double>(gradient, saved[0], saved[1]);
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

Tensor affine_rows(const Tensor& x, const Tensor& gain, const Tensor& bias) {
  return x.is_cpu() ? AffineRows::apply(x, gain, bias) : at::addcmul(bias, gain, x);
}

Tensor biased_gelu(const Tensor& x, const Tensor& bias) {
  const bool ours =
      x.is_cpu() && x.scalar_type() == at::kFloat && (!bias.defined() || bias.scalar_type() == at::kFloat);
  if (ours) return BiasedGelu::apply(x, bias.defined() ? std::optional(bias) : std::nullopt);
  return at::gelu(bias.defined() ? x + bias : x);
}

}  // namespace vitrail::models
