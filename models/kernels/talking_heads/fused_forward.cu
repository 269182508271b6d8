// Once along the keys for the softmax of each head's mixed logits, once more for what it weighs: products are
// computed twice, which costs less than maps that go to memory and back.
#include "models/kernels/talking_heads/fused_tiles.cuh"
#include "trainer/base/launch.cuh"

namespace vitrail::models::cuda {
namespace {

// The maximum of a head's logits and the sum of exponentials below it, of a thread's rows and heads.
struct Softmax {
  float maximum[2][4], total[2][4];

  __device__ Softmax() {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        maximum[n][i] = -INFINITY;
        total[n][i] = 0;
      }
    }
  }

  __device__ void add(const OfHeads& logits) {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float higher = fmaxf(maximum[n][i], logits.at[n][i]);
        total[n][i] = total[n][i] * expf(maximum[n][i] - higher) + expf(logits.at[n][i] - higher);
        maximum[n][i] = higher;
      }
    }
  }

  // Over the columns of all warps, in their order; total becomes its inverse.
  __device__ void over_warps(float (&of_warp)[kFusedWarps][kSide][kSide]) {
    float own[2][4];
    exchange(of_warp, maximum, own);
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        for (int warp = 1; warp < kFusedWarps; ++warp)
          own[n][i] = fmaxf(own[n][i], of_warp[warp][row(i)][head(n, i)]);
        total[n][i] = maximum[n][i] == -INFINITY ? 0.0F : total[n][i] * expf(maximum[n][i] - own[n][i]);
        maximum[n][i] = own[n][i];
      }
    }
    __syncthreads();  // all have read the maxima
    exchange(of_warp, total, own);
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        for (int warp = 1; warp < kFusedWarps; ++warp) own[n][i] += of_warp[warp][row(i)][head(n, i)];
        total[n][i] = 1 / own[n][i];
      }
    }
  }

  __device__ static int row(int i) { return group() + 8 * (i / 2); }
  __device__ static int head(int n, int i) { return 8 * n + 2 * place() + i % 2; }

 private:
  // Gives what this thread has, and takes the first warp's.
  __device__ static void exchange(float (&of_warp)[kFusedWarps][kSide][kSide], const float (&given)[2][4],
                                  float (&first)[2][4]) {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) of_warp[warp_of_block()][row(i)][head(n, i)] = given[n][i];
    }
    __syncthreads();
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) first[n][i] = of_warp[0][row(i)][head(n, i)];
    }
  }
};

template <class Stored, int kSteps>
__global__ void __launch_bounds__(kFusedThreads, 2)
    fused_forward_kernel(HeadMixing mixing, TalkingShape shape, TalkingInputs from, HeadRows out,
                         float* row_stats) {
  __shared__ Tile logits, mixed;
  __shared__ float of_warp[kFusedWarps][kSide][kSide];
  const Rows rows(shape);
  const std::int64_t image = rows.image;
  const int row = rows.first, tokens = rows.tokens;
  const Operand q(from.q, image, shape, mixing.heads), k(from.k, image, shape, mixing.heads),
      v(from.v, image, shape, mixing.heads);
  const Mix<Stored> of_logits(mixing, mixing.logits_weight, mixing.logits_bias, false);
  const Mix<Stored> of_weights(mixing, mixing.weights_weight, mixing.weights_bias, false);

  Softmax softmax;
  for (int column = 0; column < tokens; column += kSide) {
    products<Stored, kSteps>(q, row, k, column, shape.scale, logits);
    __syncthreads();
    for (int own = 0; own < kOwn; ++own) {
      const int at = kOwn * warp_of_block() + own;
      unsigned a[4];
      load_rows(logits[at], a);
      const OfHeads mixed_logits = of_logits(a);
      if (column + at < tokens) softmax.add(mixed_logits);
    }
    __syncthreads();  // the tile has been read
  }
  softmax.over_warps(of_warp);
  if (warp_of_block() == 0) {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int query = row + Softmax::row(i);
        const int head = Softmax::head(n, i);
        if (query >= tokens || head >= mixing.heads) continue;
        float* const stats = row_stats + (image * tokens + query) * 2 * mixing.heads;
        stats[head] = softmax.maximum[n][i];
        stats[mixing.heads + head] = softmax.total[n][i];
      }
    }
  }

  Weighted<Stored, kSteps> weighted;
  for (int column = 0; column < tokens; column += kSide) {
    products<Stored, kSteps>(q, row, k, column, shape.scale, logits);
    __syncthreads();
    OfHeads of[kOwn];
#pragma unroll
    for (int own = 0; own < kOwn; ++own) {
      const int at = kOwn * warp_of_block() + own;
      const bool is_key = column + at < tokens;
      unsigned a[4];
      load_rows(logits[at], a);
      OfHeads p = of_logits(a);
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i)
          p.at[n][i] = is_key ? expf(p.at[n][i] - softmax.maximum[n][i]) * softmax.total[n][i] : 0.0F;
      }
      p.as_rows<Stored>(a);
      of[own] = of_weights(a);
    }
    store_columns<Stored>(of, mixed);
    __syncthreads();
    weighted.add(mixed, v, column);
  }
  weighted.store(out, image, row, tokens, mixing.heads, 1);
}

}  // namespace

bool fused_runs_here() {
  constexpr int kAmpere = 8;
  int gpu = 0, major = 0;
  return cudaGetDevice(&gpu) == cudaSuccess &&
         cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, gpu) == cudaSuccess &&
         major >= kAmpere;
}

void launch_fused_forward(const HeadMixing& mixing, const TalkingShape& shape, const TalkingInputs& from,
                          const HeadRows& out, float* row_stats, CUstream_st* stream) {
  with_fused_type(shape, [&](auto stored, auto steps) {
    launch(fused_forward_kernel<decltype(stored), decltype(steps)::kValue>,
           static_cast<unsigned>(shape.blocks()), kFusedThreads, stream, mixing, shape, from, out, row_stats);
  });
}

}  // namespace vitrail::models::cuda
