#include "models/kernels/talking_heads/talking_heads.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/talking_heads/talking_heads_kernels.hpp"
#include "models/kernels/talking_heads/talking_heads_passes.hpp"
#include "models/layers/precision.hpp"
#include "models/parameter_spec.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using at::Tensor;

void check_shape(const Tensor& x, const char* name, at::IntArrayRef expected) {
  if (x.sizes() == expected) return;
  throw Error(ExitCode::crash, fmt::format("talking-heads attention: {} is {}, must be {}", name,
                                           format_shape(x.sizes().vec()), format_shape(expected.vec())));
}

// The mixing is never in halves.
at::ScalarType wide_type(const Tensor& q) {
  return at::isReducedFloatingType(q.scalar_type()) ? at::kFloat : q.scalar_type();
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, const TalkingHeads& mix,
           const TalkingHeadsPasses& passes) {
  if (q.dim() != 4) {
    throw Error(ExitCode::crash, fmt::format("talking-heads attention: q is {}, must be [B, H, T, d]",
                                             format_shape(q.sizes().vec())));
  }
  const std::int64_t heads = q.size(1);
  check_shape(k, "k", q.sizes());
  check_shape(v, "v", q.sizes());
  check_shape(mix.logits_weight, "logits_weight", {heads, heads});
  check_shape(mix.logits_bias, "logits_bias", {heads});
  check_shape(mix.weights_weight, "weights_weight", {heads, heads});
  check_shape(mix.weights_bias, "weights_bias", {heads});
  const auto expect = [&](const Tensor& x, at::ScalarType type) {
    if (x.scalar_type() == type && x.device() == q.device()) return;
    throw Error(ExitCode::crash, fmt::format("talking-heads attention: q is {} on {}, another input {} on {}",
                                             c10::toString(q.scalar_type()), q.device().str(),
                                             c10::toString(x.scalar_type()), x.device().str()));
  };
  for (const Tensor& x : {k, v}) expect(x, q.scalar_type());
  for (const Tensor& x : {mix.logits_weight, mix.logits_bias, mix.weights_weight, mix.weights_bias})
    expect(x, wide_type(q));
  if (passes.take_halves) return;  // a GPU's refuse by themselves what they cannot
  if (heads > kMaxTalkingHeads) {
    throw Error(ExitCode::refused, fmt::format("talking-heads attention takes at most {} heads, got {}: set "
                                               "model.heads",
                                               kMaxTalkingHeads, heads));
  }
  if (!q.is_cpu() || (q.scalar_type() != at::kFloat && q.scalar_type() != at::kDouble)) {
    throw Error(ExitCode::refused,
                fmt::format("talking-heads attention is computed in fp32 or fp64 on CPUs, not "
                            "in {} on {}: set precision.compute and run.device",
                            c10::toString(q.scalar_type()), q.device().str()));
  }
}

Tensor with_contiguous_rows(const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

class Attention : public torch::autograd::Function<Attention> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k,
                        const Tensor& v, const Tensor& logits_weight, const Tensor& logits_bias,
                        const Tensor& weights_weight, const Tensor& weights_bias,
                        const TalkingHeadsPasses& passes) {
    const TalkingHeads mix{logits_weight, logits_bias, weights_weight, weights_bias};
    TalkingHeadsForward pass =
        passes.forward(with_contiguous_rows(q), with_contiguous_rows(k), with_contiguous_rows(v), mix);
    context->saved_data["backward"] = reinterpret_cast<std::int64_t>(passes.backward);
    context->save_for_backward(
        {q, k, v, logits_weight, logits_bias, weights_weight, weights_bias, pass.row_stats});
    return pass.out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    // Gradients that themselves need one would silently be taken for constants.
    if (at::GradMode::is_enabled()) {
      throw Error(ExitCode::crash,
                  "talking-heads attention has no second derivative (create_graph was asked for)");
    }
    const torch::autograd::variable_list saved = context->get_saved_variables();
    if (saved[0].size(0) == 0) {  // stochastic depth left no image: every gradient is zero, and is one
      torch::autograd::variable_list zeros;
      for (std::size_t i = 0; i < 7; ++i) zeros.push_back(at::zeros_like(saved[i]));
      zeros.emplace_back();  // of the passes
      return zeros;
    }
    const auto compute =
        reinterpret_cast<decltype(TalkingHeadsPasses::backward)>(context->saved_data.at("backward").toInt());
    const TalkingHeadsGradients g = compute(
        with_contiguous_rows(gradients[0]), with_contiguous_rows(saved[0]), with_contiguous_rows(saved[1]),
        with_contiguous_rows(saved[2]), {saved[3], saved[4], saved[5], saved[6]}, saved[7]);
    return {
        g.q,     g.k, g.v, g.mix.logits_weight, g.mix.logits_bias, g.mix.weights_weight, g.mix.weights_bias,
        Tensor()};
  }
};

}  // namespace

TalkingHeadsPasses passes_on(at::DeviceType device) {
  if (device == at::kCUDA) return {talking_heads_forward_cuda, talking_heads_backward_cuda, true};
  return {talking_heads_forward_cpu, talking_heads_backward_cpu};
}

Tensor talking_heads_attention(const Tensor& q, const Tensor& k, const Tensor& v, const TalkingHeads& mix) {
  return talking_heads_attention(q, k, v, mix, passes_on(q.device().type()));
}

Tensor talking_heads_attention(const Tensor& q, const Tensor& k, const Tensor& v, const TalkingHeads& mix,
                               const TalkingHeadsPasses& passes) {
  const auto type = passes.take_halves ? q.scalar_type() : wide_type(q);
  const auto wide = [type = wide_type(q)](const Tensor& x) { return x.to(type); };
  const TalkingHeads maps{wide(mix.logits_weight), wide(mix.logits_bias), wide(mix.weights_weight),
                          wide(mix.weights_bias)};
  const Tensor queries = q.to(type), keys = k.to(type), values = v.to(type);
  check(queries, keys, values, maps, passes);
  return Attention::apply(queries, keys, values, maps.logits_weight, maps.logits_bias, maps.weights_weight,
                          maps.weights_bias, passes)
      .to(q.scalar_type());
}

}  // namespace vitrail::models
