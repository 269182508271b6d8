#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "models/kernels/talking_heads/talking_heads_kernels.hpp"
#include "models/kernels/talking_heads/talking_heads_passes.hpp"

// B images, H heads, T tokens, d numbers of a head, R queries of a block.
namespace vitrail::models {
namespace {

using at::Tensor;

// One map [H,R,T] of a block: small enough for a processor's caches, large enough for its matrix products.
constexpr std::int64_t kMapBytes = 1 << 21;
// An image's queries are cut into this many tasks; each sums the gradients of all keys and values on its own.
constexpr std::int64_t kTasksPerImage = 2;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

const TalkingHeadsTable& table() {
  if (__builtin_cpu_supports("avx512f")) return avx512::kTalkingHeads;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kTalkingHeads;
  return baseline::kTalkingHeads;
}

template <class Number>
const TalkingHeadsKernels<Number>& kernels();
template <>
const TalkingHeadsKernels<float>& kernels() {
  return table().single_precision;
}
template <>
const TalkingHeadsKernels<double>& kernels() {
  return table().double_precision;
}

struct Blocks {  // of an image's queries
  std::int64_t count, queries;

  std::int64_t first(std::int64_t block) const { return block * queries; }
};

// Of the shape alone: the bits of a result must not depend on the number of threads.
Blocks blocks_of(const Tensor& q) {
  const std::int64_t tokens = q.size(2);
  const std::int64_t query_bytes = q.size(1) * tokens * static_cast<std::int64_t>(q.element_size());
  const std::int64_t most = std::max<std::int64_t>(kMapBytes / query_bytes, 1);
  const std::int64_t queries = divide_up(tokens, divide_up(tokens, most));
  return {divide_up(tokens, queries), queries};
}

// The mixing's numbers where the kernels read them.
template <class Number>
struct Mixing {
  explicit Mixing(const TalkingHeads& mix, double scale)
      : logits_weight((mix.logits_weight * scale).contiguous()),
        logits_bias(mix.logits_bias.contiguous()),
        weights_weight(mix.weights_weight.contiguous()),
        weights_bias(mix.weights_bias.contiguous()) {}

  HeadMixing<Number> view() const {
    return {logits_bias.numel(), logits_weight.const_data_ptr<Number>(), logits_bias.const_data_ptr<Number>(),
            weights_weight.const_data_ptr<Number>(), weights_bias.const_data_ptr<Number>()};
  }

  Tensor logits_weight, logits_bias, weights_weight, weights_bias;
};

double scale_of(const Tensor& q) { return 1.0 / std::sqrt(static_cast<double>(q.size(3))); }

Tensor empty_tokens_first(const Tensor& q) {  // [B,H,T,d] that lies as [B,T,H,d]
  return at::empty({q.size(0), q.size(2), q.size(1), q.size(3)}, q.options()).transpose(1, 2);
}

Tensor block_of(const Tensor& buffer, std::int64_t heads, std::int64_t queries, std::int64_t columns) {
  return buffer.narrow(0, 0, heads * queries * columns).view({heads, queries, columns});
}

template <class Number>
TalkingHeadsForward forward(const Tensor& q, const Tensor& k, const Tensor& v, const TalkingHeads& mix) {
  const std::int64_t images = q.size(0), heads = q.size(1), tokens = q.size(2), width = q.size(3);
  const Mixing<Number> mixing(mix, scale_of(q));
  const Blocks blocks = blocks_of(q);
  TalkingHeadsForward pass{empty_tokens_first(q), at::empty({images, tokens, 2, heads}, q.options())};
  at::parallel_for(0, images * blocks.count, 1, [&](std::int64_t begin, std::int64_t end) {
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    const Tensor maps_buffer = at::empty({heads * blocks.queries * tokens}, q.options());
    const Tensor out_buffer = at::empty({heads * blocks.queries * width}, q.options());
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t image = i / blocks.count, first = blocks.first(i % blocks.count);
      const std::int64_t queries = std::min(blocks.queries, tokens - first);
      Tensor maps = block_of(maps_buffer, heads, queries, tokens);
      at::bmm_out(maps, q[image].narrow(1, first, queries), k[image].transpose(1, 2));
      kernels<Number>().forward(mixing.view(), {queries, tokens}, maps.mutable_data_ptr<Number>(),
                                pass.row_stats[image][first].mutable_data_ptr<Number>());
      Tensor out = block_of(out_buffer, heads, queries, width);
      at::bmm_out(out, maps, v[image]);
      pass.out[image].narrow(1, first, queries).copy_(out);
    }
  });
  return pass;
}

// Queries [first, last) of an image: their own gradients, and their share of the image's other gradients.
template <class Number>
class BackwardTask {
 public:
  BackwardTask(const Mixing<Number>& mixing, std::int64_t step, const Tensor& q)
      : mixing_(mixing),
        step_(step),
        heads_(q.size(1)),
        tokens_(q.size(2)),
        width_(q.size(3)),
        logits_(at::empty({heads_ * step * tokens_}, q.options())),
        probabilities_(at::empty_like(logits_)),
        mixed_(at::empty_like(logits_)),
        q_block_(at::empty({heads_ * step * width_}, q.options())),
        scratch_(at::empty({static_cast<std::int64_t>(kernels<Number>().scratch_bytes)}, at::kByte)) {}

  struct Image {  // [H,T,d], row_stats [T,2,H]
    Tensor out_gradient, q, k, v, row_stats;
  };
  struct Gradients {  // [H,T,d]; k and v are written by this task alone
    Tensor q, k, v;
    HeadMixingSums sums;
  };

  void run(const Image& x, const Gradients& gradients, std::int64_t first, std::int64_t last) {
    for (std::int64_t at = first; at < last; at += step_)
      add_block(x, gradients, at, std::min(step_, last - at), at == first ? 0 : 1);
  }

 private:
  // beta 0 starts the sums over blocks.
  void add_block(const Image& x, const Gradients& gradients, std::int64_t first, std::int64_t queries,
                 int beta) {
    const BlockShape shape{queries, tokens_};
    const HeadMixing<Number> mixing = mixing_.view();
    Tensor logits = block_of(logits_, heads_, queries, tokens_);
    const Tensor probabilities = block_of(probabilities_, heads_, queries, tokens_);
    Tensor mixed = block_of(mixed_, heads_, queries, tokens_);
    const Tensor q = x.q.narrow(1, first, queries), out_gradient = x.out_gradient.narrow(1, first, queries);

    at::bmm_out(logits, q, x.k.transpose(1, 2));
    kernels<Number>().recompute(mixing, shape, logits.const_data_ptr<Number>(),
                                x.row_stats[first].template const_data_ptr<Number>(),
                                probabilities.mutable_data_ptr<Number>(), mixed.mutable_data_ptr<Number>());
    gradients.v.baddbmm_(mixed.transpose(1, 2), out_gradient, beta);
    Tensor& map_gradient = mixed;  // the maps are not needed any more
    at::bmm_out(map_gradient, out_gradient, x.v.transpose(1, 2));
    kernels<Number>().backward(mixing, shape, logits.const_data_ptr<Number>(),
                               probabilities.const_data_ptr<Number>(),
                               map_gradient.mutable_data_ptr<Number>(), gradients.sums,
                               static_cast<std::byte*>(scratch_.mutable_data_ptr()));
    Tensor q_gradient = block_of(q_block_, heads_, queries, width_);
    at::bmm_out(q_gradient, map_gradient, x.k);
    gradients.q.narrow(1, first, queries).copy_(q_gradient);
    gradients.k.baddbmm_(map_gradient.transpose(1, 2), q, beta);
  }

  const Mixing<Number>& mixing_;
  std::int64_t step_, heads_, tokens_, width_;
  Tensor logits_, probabilities_, mixed_, q_block_, scratch_;
};

std::int64_t sums_of_task(std::int64_t heads) { return heads * (2 * heads + 1); }

HeadMixingSums sums_in(const Tensor& task_sums, std::int64_t heads) {
  double* const first = task_sums.mutable_data_ptr<double>();
  return {.logits_weight = first,
          .weights_weight = first + heads * heads,
          .weights_bias = first + 2 * heads * heads};
}

// In the order of the tasks.
TalkingHeads add_up(const Tensor& task_sums, const TalkingHeads& mix, double scale) {
  const std::int64_t heads = mix.logits_bias.numel();
  Tensor total = at::zeros_like(task_sums[0]);
  for (std::int64_t task = 0; task < task_sums.size(0); ++task) total += task_sums[task];
  const std::vector<Tensor> parts = total.split_with_sizes({heads * heads, heads * heads, heads});
  const auto type = mix.logits_weight.scalar_type();
  return {.logits_weight = (parts[0] * scale).view({heads, heads}).to(type),
          .logits_bias = at::zeros_like(mix.logits_bias),
          .weights_weight = parts[1].view({heads, heads}).to(type, false, true),
          .weights_bias = parts[2].to(type, false, true)};
}

template <class Number>
TalkingHeadsGradients backward(const Tensor& out_gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                               const TalkingHeads& mix, const Tensor& row_stats) {
  const std::int64_t images = q.size(0), heads = q.size(1), tokens = q.size(2);
  const double scale = scale_of(q);
  const Mixing<Number> mixing(mix, scale);
  const Blocks blocks = blocks_of(q);
  const std::int64_t tasks = std::min(kTasksPerImage, blocks.count);
  Tensor q_gradient = empty_tokens_first(q);
  Tensor k_parts = at::empty({tasks, images, heads, tokens, q.size(3)}, q.options());
  Tensor v_parts = at::empty_like(k_parts);
  Tensor sums = at::zeros({images * tasks, sums_of_task(heads)}, at::kDouble);
  at::parallel_for(0, images * tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    BackwardTask<Number> work(mixing, blocks.queries, q);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t image = i / tasks, task = i % tasks;
      work.run({out_gradient[image], q[image], k[image], v[image], row_stats[image]},
               {q_gradient[image], k_parts[task][image], v_parts[task][image], sums_in(sums[i], heads)},
               blocks.first(blocks.count * task / tasks),
               std::min(blocks.first(blocks.count * (task + 1) / tasks), tokens));
    }
  });
  Tensor k_gradient = k_parts[0], v_gradient = v_parts[0];
  for (std::int64_t task = 1; task < tasks; ++task) {
    k_gradient += k_parts[task];
    v_gradient += v_parts[task];
  }
  return {q_gradient, k_gradient, v_gradient, add_up(sums, mix, scale)};
}

}  // namespace

TalkingHeadsForward talking_heads_forward_cpu(const Tensor& q, const Tensor& k, const Tensor& v,
                                              const TalkingHeads& mix) {
  return q.scalar_type() == at::kFloat ? forward<float>(q, k, v, mix) : forward<double>(q, k, v, mix);
}

TalkingHeadsGradients talking_heads_backward_cpu(const Tensor& out_gradient, const Tensor& q, const Tensor& k,
                                                 const Tensor& v, const TalkingHeads& mix,
                                                 const Tensor& row_stats) {
  return q.scalar_type() == at::kFloat ? backward<float>(out_gradient, q, k, v, mix, row_stats)
                                       : backward<double>(out_gradient, q, k, v, mix, row_stats);
}

}  // namespace vitrail::models
