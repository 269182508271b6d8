#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "models/kernels/branch_rows_cuda_kernels.hpp"
#include "models/kernels/stored_type_of.hpp"
#include "models/kernels/talking_heads/fused.hpp"
#include "models/kernels/talking_heads/talking_heads_cuda_kernels.hpp"
#include "models/kernels/talking_heads/talking_heads_passes.hpp"
#include "trainer/base/error.hpp"

// B images, H heads, T tokens, d numbers of a head. A block is N images with all of their queries or, where
// one image's maps are too large, some queries of one image.
namespace vitrail::models {
namespace {

using at::Tensor;

constexpr std::int64_t kMapBytes =
    64 << 20;  // the maps [N,H,R,T] of a block; three such lie in memory at a time

struct Block {
  std::int64_t image, images, query, queries;
};

std::vector<Block> blocks_of(const Tensor& q) {
  const std::int64_t images = q.size(0), tokens = q.size(2);
  const std::int64_t query_bytes = q.size(1) * tokens * static_cast<std::int64_t>(q.element_size());
  const std::int64_t most = std::max<std::int64_t>(kMapBytes / query_bytes, 1);  // queries of a block
  const std::int64_t queries = std::min(most, tokens), together = std::max<std::int64_t>(most / tokens, 1);
  std::vector<Block> blocks;
  for (std::int64_t image = 0; image < images; image += together) {
    for (std::int64_t query = 0; query < tokens; query += queries) {
      blocks.push_back({image, std::min(together, images - image), query, std::min(queries, tokens - query)});
    }
  }
  return blocks;
}

// The mixing as the kernels read it.
struct Mixing {
  explicit Mixing(const TalkingHeads& mix)
      : logits_weight(mix.logits_weight.contiguous()),
        logits_bias(mix.logits_bias.contiguous()),
        weights_weight(mix.weights_weight.contiguous()),
        weights_bias(mix.weights_bias.contiguous()) {
    if (logits_bias.numel() <= cuda::kMaxHeads) return;
    throw Error(ExitCode::refused,
                fmt::format("talking-heads attention takes at most {} heads on GPUs, got {}: set "
                            "model.heads",
                            cuda::kMaxHeads, logits_bias.numel()));
  }
  cuda::HeadMixing view() const {
    return {static_cast<int>(logits_bias.numel()), logits_weight.const_data_ptr<float>(),
            logits_bias.const_data_ptr<float>(), weights_weight.const_data_ptr<float>(),
            weights_bias.const_data_ptr<float>()};
  }

  Tensor logits_weight, logits_bias, weights_weight, weights_bias;
};

double scale_of(const Tensor& q) { return 1.0 / std::sqrt(static_cast<double>(q.size(3))); }

// One pass over an input: [B,H,T,d], of which a block sees [N*H,T,d] or its queries' rows [N*H,R,d].
class Heads {
 public:
  explicit Heads(const Tensor& x) : heads_(x.size(1)), all_(x.contiguous().flatten(0, 1)) {}

  Tensor tokens(const Block& b) const { return all_.narrow(0, b.image * heads_, b.images * heads_); }
  Tensor queries(const Block& b) const { return tokens(b).narrow(1, b.query, b.queries); }
  Tensor unflattened() const { return all_.unflatten(0, {-1, heads_}); }

 private:
  std::int64_t heads_;
  Tensor all_;
};

cuda::Maps shape_of(const Block& b, const Tensor& q) {
  return {stored_type_of(q.scalar_type(), "talking-heads attention"), b.images, b.queries, q.size(2)};
}

Tensor scaled_logits(const Heads& q, const Heads& k, const Block& b, double scale) {
  const Tensor rows = q.queries(b), columns = k.tokens(b).transpose(1, 2);
  return at::baddbmm(at::empty({1}, rows.options()), rows, columns, /*beta=*/0, scale);
}

float* stats_of(const Tensor& row_stats, const Block& b) {
  return row_stats[b.image][b.query].mutable_data_ptr<float>();
}

// a, b maps [N*H,R,T] -> [H,H], in fp32: products of one head's map with another's, summed over all else.
Tensor products(const Tensor& a, const Tensor& b, std::int64_t heads) {
  const auto flat = [&](const Tensor& maps) { return maps.view({-1, heads, maps.size(1) * maps.size(2)}); };
  const Tensor columns = flat(b).transpose(1, 2);
  // Where a GPU is the host, there is no product of halves into fp32.
  const Tensor of_image = a.is_cuda() && a.scalar_type() != at::kFloat
                              ? at::bmm(flat(a), columns, at::kFloat)
                              : at::bmm(flat(a).to(at::kFloat), columns.to(at::kFloat));
  return of_image.sum(0);
}

// By the kernels that need no maps: CaiT's own sizes in halves.
bool fits_fused(const Tensor& q) {
  constexpr std::int64_t kMostOfImage = std::int64_t{1} << 29;  // places in an image's qkv are 32 bits
  const std::int64_t width = q.size(3);
  return at::isReducedFloatingType(q.scalar_type()) && q.size(1) <= cuda::kMaxHeads && width > 0 &&
         width % cuda::kSide == 0 && width <= cuda::kMostSteps * cuda::kSide &&
         q.size(1) * q.size(2) * width < kMostOfImage && cuda::fused_runs_here();
}

cuda::HeadRows rows_of(const Tensor& x) {
  return {x.mutable_data_ptr(), x.stride(0), x.stride(1), x.stride(2)};
}

// As the kernels take it: two neighbours of d are one load.
Tensor by_pairs(const Tensor& x) {
  const auto even = [&](std::int64_t dim) { return x.stride(dim) % 2 == 0; };
  return x.stride(3) == 1 && x.storage_offset() % 2 == 0 && even(0) && even(1) && even(2) ? x
                                                                                          : x.contiguous();
}

cuda::TalkingShape fused_shape(const Tensor& q) {
  return {stored_type_of(q.scalar_type(), "talking-heads attention"), q.size(0), q.size(2), q.size(3),
          static_cast<float>(scale_of(q))};
}

// [B,H,T,d] that lies as [B,T,N,H,d], as the matrix products before and behind it have it: N of them.
std::vector<Tensor> by_tokens(const Tensor& q, std::int64_t count) {
  return at::empty({q.size(0), q.size(2), count, q.size(1), q.size(3)}, q.options())
      .permute({2, 0, 3, 1, 4})
      .unbind(0);
}

TalkingHeadsForward fused_forward(const Tensor& q, const Tensor& k, const Tensor& v, const Mixing& mixing,
                                  const Tensor& row_stats, CUstream_st* stream) {
  const Tensor own_q = by_pairs(q), own_k = by_pairs(k), own_v = by_pairs(v), out = by_tokens(q, 1).front();
  if (q.numel() == 0) return {out, row_stats};
  cuda::launch_fused_forward(mixing.view(), fused_shape(q), {rows_of(own_q), rows_of(own_k), rows_of(own_v)},
                             rows_of(out), row_stats.mutable_data_ptr<float>(), stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {out, row_stats};
}

TalkingHeadsGradients fused_backward(const Tensor& out_gradient, const Tensor& q, const Tensor& k,
                                     const Tensor& v, const TalkingHeads& mix, const Mixing& mixing,
                                     const Tensor& row_stats, CUstream_st* stream) {
  const Tensor own_q = by_pairs(q), own_k = by_pairs(k), own_v = by_pairs(v),
               own_out = by_pairs(out_gradient);
  const std::vector<Tensor> of = by_tokens(q, 3);
  const cuda::TalkingShape shape = fused_shape(q);
  const std::int64_t heads = q.size(1);
  const Tensor means = at::empty({q.size(0), q.size(2), heads}, row_stats.options());
  const Tensor shares = at::empty({shape.blocks(), cuda::kMixingSums}, row_stats.options());
  const Tensor sums = at::empty({cuda::kMixingSums}, row_stats.options());
  cuda::launch_fused_backward(
      mixing.view(), shape, {rows_of(own_q), rows_of(own_k), rows_of(own_v)}, rows_of(own_out),
      row_stats.const_data_ptr<float>(), means.mutable_data_ptr<float>(),
      {rows_of(of[0]), rows_of(of[1]), rows_of(of[2])}, shares.mutable_data_ptr<float>(), stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  cuda::launch_sum_of_shares(shares.const_data_ptr<float>(), shape.blocks(), cuda::kMixingSums,
                             sums.mutable_data_ptr<float>(), stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  const Tensor weights = sums.narrow(0, 0, 2 * cuda::kSide * cuda::kSide)
                             .view({2, cuda::kSide, cuda::kSide})
                             .narrow(1, 0, heads)
                             .narrow(2, 0, heads);
  return {of[0],
          of[1],
          of[2],
          {.logits_weight = weights[0],
           .logits_bias = at::zeros_like(mix.logits_bias),
           .weights_weight = weights[1],
           .weights_bias = sums.narrow(0, 2 * cuda::kSide * cuda::kSide, heads)}};
}

}  // namespace

TalkingHeadsForward talking_heads_forward_cuda(const Tensor& q, const Tensor& k, const Tensor& v,
                                               const TalkingHeads& mix) {
  const c10::cuda::CUDAGuard device(q.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const Mixing mixing(mix);
  const Tensor row_stats = at::empty({q.size(0), q.size(2), 2, q.size(1)}, q.options().dtype(at::kFloat));
  if (fits_fused(q)) return fused_forward(q, k, v, mixing, row_stats, stream);
  const Heads queries(q), keys(k), values(v), out(at::empty(q.sizes(), q.options()));
  for (const Block& b : blocks_of(q)) {
    const Tensor maps = scaled_logits(queries, keys, b, scale_of(q));
    cuda::launch_forward(mixing.view(), shape_of(b, q), maps.mutable_data_ptr(), stats_of(row_stats, b),
                         stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    Tensor rows = out.queries(b);
    at::bmm_out(rows, maps, values.tokens(b));
  }
  return {out.unflattened(), row_stats};
}

TalkingHeadsGradients talking_heads_backward_cuda(const Tensor& out_gradient, const Tensor& q,
                                                  const Tensor& k, const Tensor& v, const TalkingHeads& mix,
                                                  const Tensor& row_stats) {
  const c10::cuda::CUDAGuard device(q.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const Mixing mixing(mix);
  if (fits_fused(q)) return fused_backward(out_gradient, q, k, v, mix, mixing, row_stats, stream);
  const std::int64_t heads = q.size(1);
  const Heads queries(q), keys(k), values(v), out(out_gradient);
  const auto empty = [&] { return Heads(at::empty(q.sizes(), q.options())); };
  const Heads q_gradient = empty(), k_gradient = empty(), v_gradient = empty();
  Tensor logits_weight = at::zeros_like(mixing.logits_weight), weights_weight = at::zeros_like(logits_weight);
  Tensor weights_bias = at::zeros_like(mixing.weights_bias);
  for (const Block& b : blocks_of(q)) {
    const int beta = b.query == 0 ? 0 : 1;  // of sums over an image's queries
    const Tensor logits = scaled_logits(queries, keys, b, scale_of(q));
    const Tensor probabilities = at::empty_like(logits);
    Tensor maps = at::empty_like(logits);
    cuda::launch_recompute(mixing.view(), shape_of(b, q), logits.const_data_ptr(), stats_of(row_stats, b),
                           probabilities.mutable_data_ptr(), maps.mutable_data_ptr(), stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    v_gradient.tokens(b).baddbmm_(maps.transpose(1, 2), out.queries(b), beta);

    at::bmm_out(maps, out.queries(b), values.tokens(b).transpose(1, 2));  // now their gradient
    weights_weight += products(maps, probabilities, heads);
    weights_bias += maps.view({b.images, heads, -1}).sum(at::IntArrayRef({0, 2}), false, at::kFloat);
    cuda::launch_backward(mixing.view(), shape_of(b, q), probabilities.mutable_data_ptr(),
                          maps.mutable_data_ptr(), stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    const Tensor& mixed_logits_gradient = probabilities;
    logits_weight += products(mixed_logits_gradient, logits, heads);

    q_gradient.queries(b).baddbmm_(maps, keys.tokens(b), 0, scale_of(q));
    k_gradient.tokens(b).baddbmm_(maps.transpose(1, 2), queries.queries(b), beta, scale_of(q));
  }
  return {q_gradient.unflattened(),
          k_gradient.unflattened(),
          v_gradient.unflattened(),
          {.logits_weight = logits_weight,
           .logits_bias = at::zeros_like(mix.logits_bias),  // what all keys share does not move a softmax
           .weights_weight = weights_weight,
           .weights_bias = weights_bias}};
}

}  // namespace vitrail::models
