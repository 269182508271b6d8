// Two kernels with the same steps. That of queries goes along the keys, once for the mean that the softmax
// takes from each head's gradient, once more for the queries' gradients and what mixing has of them; that of
// keys goes along the queries, for the gradients of keys and values. All else is computed again.
#include "models/kernels/talking_heads/fused_tiles.cuh"
#include "trainer/base/launch.cuh"

namespace vitrail::models::cuda {
namespace {

// x: rows and, with them, the columns of y. Of queries x = {q, out's gradient}, y = {k, v}; of keys the other
// way round.
struct Sides {
  Operand x, x_of_out, y, y_of_out;
};

// Of the softmax of a query: of a thread's heads, for rows g and g + 8.
struct RowStats {
  float maximum[2][4], inverse[2][4], mean[2][4];

  // of_rows: of queries query + g and query + g + 8; else of one query. Zero outside, where probabilities
  // are.
  __device__ void load(const TalkingShape& shape, int heads, std::int64_t image, int query, bool of_rows,
                       const float* row_stats, const float* means) {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int t = of_rows ? query + group() + 8 * (i / 2) : query;
        const int head = 8 * n + 2 * place() + i % 2;
        const bool inside = t < shape.tokens && head < heads;
        const std::int64_t at = image * shape.tokens + t;
        maximum[n][i] = inside ? row_stats[at * 2 * heads + head] : 0.0F;
        inverse[n][i] = inside ? row_stats[(at * 2 + 1) * heads + head] : 0.0F;
        mean[n][i] = inside && means != nullptr ? means[at * heads + head] : 0.0F;
      }
    }
  }

  __device__ void to_probabilities(OfHeads& logits, bool inside) const {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        logits.at[n][i] = inside ? expf(logits.at[n][i] - maximum[n][i]) * inverse[n][i] : 0.0F;
    }
  }
};

// Sums over queries and keys of one mixing's outputs times its inputs: [H,H], a thread's part.
struct OuterProducts {
  float sum[2][4] = {};

  // Both [rows, heads] of one column.
  template <class Stored>
  __device__ void add(const unsigned (&out)[4], const unsigned (&in)[4]) {
    const unsigned a[4] = {transposed(out[0]), transposed(out[2]), transposed(out[1]), transposed(out[3])};
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const unsigned b[2] = {transposed(in[2 * n]), transposed(in[2 * n + 1])};
      multiply_add(Stored{}, a, b, sum[n]);
    }
  }

  // Added up over the block's warps in their order, to [kSide, kSide].
  __device__ void store(float (&of_warp)[kFusedWarps][kSide][kSide], float* to) const {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        of_warp[warp_of_block()][group() + 8 * (i / 2)][8 * n + 2 * place() + i % 2] = sum[n][i];
    }
    __syncthreads();
    const int row = static_cast<int>(threadIdx.x) / kSide, column = static_cast<int>(threadIdx.x) % kSide;
    float total = of_warp[0][row][column];
    for (int warp = 1; warp < kFusedWarps; ++warp) total += of_warp[warp][row][column];
    to[threadIdx.x] = total;
    __syncthreads();
  }
};
static_assert(kFusedThreads == kSide * kSide, "a thread for each sum");

// The four maps over heads that backward takes.
template <class Stored>
struct Mixes {
  Mix<Stored> logits, weights, to_logits, to_weights;
  __device__ explicit Mixes(const HeadMixing& m)
      : logits(m, m.logits_weight, m.logits_bias, false),
        weights(m, m.weights_weight, m.weights_bias, false),
        to_logits(m, m.logits_weight, nullptr, true),
        to_weights(m, m.weights_weight, nullptr, true) {}
};

template <class Stored, int kSteps>
__device__ void both_products(const Sides& s, int row, int column, float scale, Tile& logits,
                              Tile& gradients) {
  products<Stored, kSteps>(s.x, row, s.y, column, scale, logits);
  products<Stored, kSteps>(s.x_of_out, row, s.y_of_out, column, 1, gradients);
}

// p * (gradient - mean): what the softmax hands on.
inline __device__ OfHeads through_softmax(const OfHeads& p, const OfHeads& gradient, const RowStats& stats) {
  OfHeads to;
#pragma unroll
  for (int n = 0; n < 2; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) to.at[n][i] = p.at[n][i] * (gradient.at[n][i] - stats.mean[n][i]);
  }
  return to;
}

template <class Stored, int kSteps>
__global__ void __launch_bounds__(kFusedThreads, 1)
    fused_queries_kernel(HeadMixing mixing, TalkingShape shape, TalkingInputs from, HeadRows out_gradient,
                         const float* row_stats, float* means, HeadRows q_gradient, float* shares) {
  __shared__ Tile logits, gradients, of_logits;
  __shared__ float of_warp[kFusedWarps][kSide][kSide];
  const Rows rows(shape);
  const std::int64_t image = rows.image;
  const int row = rows.first, tokens = rows.tokens;
  const auto operand = [&](const HeadRows& x) { return Operand(x, image, shape, mixing.heads); };
  const Sides sides{operand(from.q), operand(out_gradient), operand(from.k), operand(from.v)};
  const Mixes<Stored> mixes(mixing);
  RowStats stats;
  stats.load(shape, mixing.heads, image, row, true, row_stats, nullptr);

  float mean[2][4] = {};
  for (int column = 0; column < tokens; column += kSide) {
    both_products<Stored, kSteps>(sides, row, column, shape.scale, logits, gradients);
    __syncthreads();
    for (int own = 0; own < kOwn; ++own) {
      const int at = kOwn * warp_of_block() + own;
      unsigned s[4], g[4];
      load_rows(logits[at], s);
      load_rows(gradients[at], g);
      OfHeads p = mixes.logits(s);
      stats.to_probabilities(p, column + at < tokens);
      const OfHeads of_p = mixes.to_weights(g);
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) mean[n][i] += p.at[n][i] * of_p.at[n][i];
      }
    }
    __syncthreads();  // the tiles have been read
  }
#pragma unroll
  for (int n = 0; n < 2; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      of_warp[warp_of_block()][group() + 8 * (i / 2)][8 * n + 2 * place() + i % 2] = mean[n][i];
  }
  __syncthreads();
#pragma unroll
  for (int n = 0; n < 2; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int own_row = group() + 8 * (i / 2), head = 8 * n + 2 * place() + i % 2;
      float total = of_warp[0][own_row][head];
      for (int warp = 1; warp < kFusedWarps; ++warp) total += of_warp[warp][own_row][head];
      stats.mean[n][i] = total;
      if (warp_of_block() == 0 && row + own_row < tokens && head < mixing.heads)
        means[(image * tokens + row + own_row) * mixing.heads + head] = total;
    }
  }

  Weighted<Stored, kSteps> of_queries;
  OuterProducts of_logits_weight, of_weights_weight;
  float of_bias[4] = {};
  for (int column = 0; column < tokens; column += kSide) {
    both_products<Stored, kSteps>(sides, row, column, shape.scale, logits, gradients);
    __syncthreads();
    OfHeads of[kOwn];
#pragma unroll
    for (int own = 0; own < kOwn; ++own) {
      const int at = kOwn * warp_of_block() + own;
      unsigned s[4], g[4], a[4];
      load_rows(logits[at], s);
      load_rows(gradients[at], g);
      OfHeads p = mixes.logits(s);
      stats.to_probabilities(p, column + at < tokens);
      p.as_rows<Stored>(a);
      of_weights_weight.template add<Stored>(g, a);
      const unsigned rows_of_g[4] = {transposed(g[0]), transposed(g[2]), transposed(g[1]), transposed(g[3])};
      const unsigned one = pair_of<Stored>(1, 1), ones[2] = {one, one};
      multiply_add(Stored{}, rows_of_g, ones, of_bias);
      through_softmax(p, mixes.to_weights(g), stats).template as_rows<Stored>(a);
      of_logits_weight.template add<Stored>(a, s);
      of[own] = mixes.to_logits(a);
    }
    store_columns<Stored>(of, of_logits);
    __syncthreads();
    of_queries.add(of_logits, sides.y, column);
  }
  of_queries.store(q_gradient, image, row, tokens, mixing.heads, shape.scale);
  float* const share = shares + static_cast<std::int64_t>(blockIdx.x) * kMixingSums;
  __syncthreads();
  of_logits_weight.store(of_warp, share);
  of_weights_weight.store(of_warp, share + kSide * kSide);
  if (place() == 0) {
    of_warp[warp_of_block()][group()][0] = of_bias[0];
    of_warp[warp_of_block()][group() + 8][0] = of_bias[2];
  }
  __syncthreads();
  if (threadIdx.x < kSide) {
    float total = of_warp[0][threadIdx.x][0];
    for (int warp = 1; warp < kFusedWarps; ++warp) total += of_warp[warp][threadIdx.x][0];
    share[2 * kSide * kSide + threadIdx.x] = total;
  }
}

template <class Stored, int kSteps>
__global__ void __launch_bounds__(kFusedThreads, 1)
    fused_keys_kernel(HeadMixing mixing, TalkingShape shape, TalkingInputs from, HeadRows out_gradient,
                      const float* row_stats, const float* means, HeadRows k_gradient, HeadRows v_gradient) {
  __shared__ Tile logits, gradients, of_logits, weights;
  const Rows rows(shape);
  const std::int64_t image = rows.image;
  const int row = rows.first, tokens = rows.tokens;
  const auto operand = [&](const HeadRows& x) { return Operand(x, image, shape, mixing.heads); };
  const Sides sides{operand(from.k), operand(from.v), operand(from.q), operand(out_gradient)};
  const Mixes<Stored> mixes(mixing);
  Weighted<Stored, kSteps> of_keys, of_values;
  for (int column = 0; column < tokens; column += kSide) {
    both_products<Stored, kSteps>(sides, row, column, shape.scale, logits, gradients);
    __syncthreads();
    OfHeads of[kOwn], mixed[kOwn];
#pragma unroll
    for (int own = 0; own < kOwn; ++own) {
      const int at = kOwn * warp_of_block() + own;
      RowStats stats;
      stats.load(shape, mixing.heads, image, column + at, false, row_stats, means);
      unsigned s[4], g[4], a[4];
      load_rows(logits[at], s);
      load_rows(gradients[at], g);
      OfHeads p = mixes.logits(s);
      stats.to_probabilities(p, column + at < tokens);
      p.as_rows<Stored>(a);
      mixed[own] = mixes.weights(a);
      through_softmax(p, mixes.to_weights(g), stats).template as_rows<Stored>(a);
      of[own] = mixes.to_logits(a);
    }
    store_columns<Stored>(of, of_logits);
    store_columns<Stored>(mixed, weights);
    __syncthreads();
    of_keys.add(of_logits, sides.y, column);
    of_values.add(weights, sides.y_of_out, column);
  }
  of_keys.store(k_gradient, image, row, tokens, mixing.heads, shape.scale);
  of_values.store(v_gradient, image, row, tokens, mixing.heads, 1);
}

}  // namespace

void launch_fused_backward(const HeadMixing& mixing, const TalkingShape& shape, const TalkingInputs& from,
                           const HeadRows& out_gradient, const float* row_stats, float* means,
                           const TalkingInputs& gradients, float* shares, CUstream_st* stream) {
  with_fused_type(shape, [&](auto stored, auto steps) {
    using Stored = decltype(stored);
    constexpr int kSteps = decltype(steps)::kValue;
    const auto blocks = static_cast<unsigned>(shape.blocks());
    launch(fused_queries_kernel<Stored, kSteps>, blocks, kFusedThreads, stream, mixing, shape, from,
           out_gradient, row_stats, means, gradients.q, shares);
    launch(fused_keys_kernel<Stored, kSteps>, blocks, kFusedThreads, stream, mixing, shape, from,
           out_gradient, row_stats, means, gradients.k, gradients.v);
  });
}

}  // namespace vitrail::models::cuda
