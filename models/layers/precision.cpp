#include "models/layers/precision.hpp"

#include <cmath>
#include <optional>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/maps/maps.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_half(const Tensor& x) { return at::isReducedFloatingType(x.scalar_type()); }

// LibTorch has no half-precision matrix product for CPUs that would be worth calling.
bool is_storage(const Tensor& x) { return is_half(x) && x.is_cpu(); }

Tensor operand(const Tensor& x, bool widens) { return widens ? widened(x) : x; }

// A linear layer on halves: keeps them for backward, not their widened copies. The bias's gradient is summed
// in fp32: in halves a few thousand rows times the loss scale overflow.
class HalfLinear : public torch::autograd::Function<HalfLinear> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, bool widens) {
    context->save_for_backward({x, weight});
    context->saved_data["widens"] = widens;
    context->saved_data["has_bias"] = bias.has_value();
    const Tensor input = operand(x, widens);
    const Tensor added = bias ? bias->to(input.scalar_type()) : Tensor();
    return at::linear(input, operand(weight, widens), added).to(x.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const bool widens = context->saved_data.at("widens").toBool();
    const variable_list saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    const Tensor& weight = saved[1];
    const Tensor g = operand(gradients[0], widens);
    const Tensor rows = g.flatten(0, -2);
    Tensor of_x, of_weight, of_bias;
    if (context->needs_input_grad(0)) of_x = at::matmul(g, operand(weight, widens)).to(x.scalar_type());
    if (context->needs_input_grad(1)) {
      of_weight = at::mm(rows.t(), operand(x, widens).flatten(0, -2)).to(weight.scalar_type());
    }
    if (context->saved_data.at("has_bias").toBool() && context->needs_input_grad(2))
      of_bias = rows.sum(0, /*keepdim=*/false, at::kFloat);
    return {of_x, of_weight, of_bias, Tensor()};
  }
};

}  // namespace

Tensor widened(const Tensor& x) { return x.defined() && is_half(x) ? x.to(at::kFloat) : x; }

Tensor norm(const Tensor& x, const Affine& p) {
  return at::layer_norm(x.to(p.weight.scalar_type()), {x.size(-1)}, p.weight, p.bias, kNormEpsilon);
}

Tensor linear(const Tensor& x, const Affine& p) {
  const auto type = p.weight.scalar_type();
  const Tensor input = x.to(type);
  if (is_half(input)) {
    const auto bias = p.bias.defined() ? std::optional(p.bias) : std::nullopt;  // autograd wants it so
    return HalfLinear::apply(input, p.weight, bias, is_storage(input) && !p.as_on_gpu);
  }
  return at::linear(input, p.weight, p.bias.defined() ? p.bias.to(type) : p.bias);
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, bool as_on_gpu) {
  // GPUs' kernels refuse what has no images: nothing has to be computed, but every input gets a gradient.
  if (q.size(0) == 0) return q + k.sum(2, /*keepdim=*/true) + v.sum(2, /*keepdim=*/true);
  if (!is_storage(q) || as_on_gpu) return at::scaled_dot_product_attention(q, k, v);
  return at::scaled_dot_product_attention(widened(q), widened(k), widened(v)).to(q.scalar_type());
}

Tensor attention_weights(const Tensor& q, const Tensor& k) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::softmax(at::matmul(widened(q) * scale, widened(k).transpose(-2, -1)), -1);
}

Tensor product(const Tensor& a, const Tensor& b) {
  if (!is_storage(a)) return at::matmul(a, b);
  return at::matmul(widened(a), widened(b)).to(a.scalar_type());
}

namespace {

Tensor convolved_on_cpu(const Tensor& x, const Affine& p, const ConvolutionForm& form) {
  const auto type = p.weight.scalar_type();
  return convolved(widened(x.to(type)), widened(p.weight), p.bias, form).to(type);
}

// Of so many pixels, products of their channels are faster as oneDNN's convolutions.
constexpr std::int64_t kLargeMap = 14 * 14;

bool is_linear(const Tensor& x, const Tensor& weight, std::int64_t stride, std::int64_t padding,
               std::int64_t groups) {
  return weight.size(2) == 1 && stride == 1 && padding == 0 && groups == 1 &&
         x.size(2) * x.size(3) < kLargeMap;
}

}  // namespace

Tensor convolution(const Tensor& x, const Affine& p, std::int64_t stride, std::int64_t padding,
                   std::int64_t groups) {
  if (x.is_cpu() && is_linear(x, p.weight, stride, padding, groups))
    return map_of_rows(linear(rows_of_map(x), {p.weight.flatten(1), p.bias, p.as_on_gpu}));
  if (x.is_cpu()) return convolved_on_cpu(x, p, {stride, padding, groups});
  const auto type = p.weight.scalar_type();
  return at::conv2d(x.to(type), p.weight, p.bias.defined() ? p.bias.to(type) : p.bias, stride, padding, 1,
                    groups);
}

}  // namespace vitrail::models
