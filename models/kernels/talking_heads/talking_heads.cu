// One thread block computes one query of one image: its threads take the keys in turn, each all heads of a
// key.
#include "models/kernels/block.cuh"
#include "models/kernels/talking_heads/talking_heads_cuda_kernels.hpp"
#include "trainer/base/launch.cuh"

namespace vitrail::models::cuda {
namespace {

// A linear map over heads in shared memory, filled up with zeros to kHeads.
template <int kHeads>
struct alignas(16) HeadMap {
  float weight[kHeads][kHeads], bias[kHeads];

  // source [H,H], transposed on request; no bias: zero.
  __device__ void fill(int heads, const float* source, const float* bias_source, bool transposed) {
    for (int i = threadIdx.x; i < kHeads * kHeads; i += kThreads) {
      const int g = i / kHeads, h = i % kHeads;
      const bool inside = g < heads && h < heads;
      weight[g][h] = inside ? source[transposed ? h * heads + g : g * heads + h] : 0.0F;
    }
    for (int g = threadIdx.x; g < kHeads; g += kThreads)
      bias[g] = bias_source != nullptr && g < heads ? bias_source[g] : 0.0F;
  }

  __device__ void apply(const float (&from)[kHeads], float (&to)[kHeads]) const {
    // Else the compiler keeps all weights for the next key, in more registers than there are.
    asm volatile("" ::: "memory");
#pragma unroll
    for (int g = 0; g < kHeads; ++g) {
      float sum = bias[g];
#pragma unroll
      for (int h = 0; h < kHeads; h += 4) {
        const float4 w = *reinterpret_cast<const float4*>(&weight[g][h]);
        sum += w.x * from[h] + w.y * from[h + 1] + w.z * from[h + 2] + w.w * from[h + 3];
      }
      to[g] = sum;
    }
  }
};

// A query's rows in the maps of all heads.
template <int kHeads, class Stored>
struct Rows {
  Stored* first;
  std::int64_t stride;  // from head to head
  int heads;

  __device__ Rows(Stored* maps, const Maps& shape, int head_count)
      : stride(shape.queries * shape.keys), heads(head_count) {
    const std::int64_t image = blockIdx.x / shape.queries, query = blockIdx.x % shape.queries;
    first = maps + image * heads * stride + query * shape.keys;
  }
  __device__ void load(std::int64_t key, float (&to)[kHeads]) const {
#pragma unroll
    for (int h = 0; h < kHeads; ++h) to[h] = h < heads ? read(first + h * stride + key) : 0.0F;
  }
  __device__ void store(std::int64_t key, const float (&from)[kHeads]) const {
#pragma unroll
    for (int h = 0; h < kHeads; ++h)
      if (h < heads) write(first + h * stride + key, from[h]);
  }
};

// logits of a key -> probabilities.
template <int kHeads>
__device__ void softmax_of(const float (&mixed_logits)[kHeads], const float (&maximum)[kHeads],
                           const float (&inverse)[kHeads], float (&probabilities)[kHeads]) {
#pragma unroll
  for (int h = 0; h < kHeads; ++h) probabilities[h] = expf(mixed_logits[h] - maximum[h]) * inverse[h];
}

template <int kHeads, class Stored>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(HeadMixing mixing, Maps shape, Stored* maps, float* row_stats) {
  __shared__ HeadMap<kHeads> logits_map, weights_map;
  logits_map.fill(mixing.heads, mixing.logits_weight, mixing.logits_bias, false);
  weights_map.fill(mixing.heads, mixing.weights_weight, mixing.weights_bias, false);
  __syncthreads();
  const Rows<kHeads, Stored> rows(maps, shape, mixing.heads);
  float x[kHeads], y[kHeads], maximum[kHeads], inverse[kHeads];

  // Each thread's maximum and its sum of exponentials below it, then the block's.
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    maximum[h] = -INFINITY;
    inverse[h] = 0;
  }
  for (std::int64_t key = threadIdx.x; key < shape.keys; key += kThreads) {
    rows.load(key, x);
    logits_map.apply(x, y);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      const float higher = fmaxf(maximum[h], y[h]);
      inverse[h] = inverse[h] * expf(maximum[h] - higher) + expf(y[h] - higher);
      maximum[h] = higher;
    }
  }
  float* const stats = row_stats + static_cast<std::int64_t>(blockIdx.x) * 2 * mixing.heads;
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    const float highest = over_block(maximum[h], larger);
    const float own = maximum[h] == -INFINITY ? 0.0F : inverse[h] * expf(maximum[h] - highest);
    inverse[h] = 1 / over_block(own, sum);
    maximum[h] = highest;
    if (threadIdx.x == 0 && h < mixing.heads) {
      stats[h] = maximum[h];
      stats[mixing.heads + h] = inverse[h];
    }
  }

  for (std::int64_t key = threadIdx.x; key < shape.keys; key += kThreads) {
    rows.load(key, x);
    logits_map.apply(x, y);
    softmax_of(y, maximum, inverse, x);
    weights_map.apply(x, y);
    rows.store(key, y);
  }
}

template <int kHeads, class Stored>
__global__ void __launch_bounds__(kThreads)
    recompute_kernel(HeadMixing mixing, Maps shape, const Stored* logits, const float* row_stats,
                     Stored* probabilities, Stored* mixed) {
  __shared__ HeadMap<kHeads> logits_map, weights_map;
  logits_map.fill(mixing.heads, mixing.logits_weight, mixing.logits_bias, false);
  weights_map.fill(mixing.heads, mixing.weights_weight, mixing.weights_bias, false);
  __syncthreads();
  const Rows<kHeads, const Stored> from(logits, shape, mixing.heads);
  const Rows<kHeads, Stored> plain(probabilities, shape, mixing.heads), to(mixed, shape, mixing.heads);
  const float* const stats = row_stats + static_cast<std::int64_t>(blockIdx.x) * 2 * mixing.heads;
  float x[kHeads], y[kHeads], maximum[kHeads], inverse[kHeads];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    maximum[h] = h < mixing.heads ? stats[h] : 0.0F;
    inverse[h] = h < mixing.heads ? stats[mixing.heads + h] : 0.0F;
  }
  for (std::int64_t key = threadIdx.x; key < shape.keys; key += kThreads) {
    from.load(key, x);
    logits_map.apply(x, y);
    softmax_of(y, maximum, inverse, x);
    plain.store(key, x);
    weights_map.apply(x, y);
    to.store(key, y);
  }
}

template <int kHeads, class Stored>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(HeadMixing mixing, Maps shape, Stored* probabilities, Stored* gradient) {
  __shared__ HeadMap<kHeads> logits_map, weights_map;
  logits_map.fill(mixing.heads, mixing.logits_weight, nullptr, true);
  weights_map.fill(mixing.heads, mixing.weights_weight, nullptr, true);
  __syncthreads();
  const Rows<kHeads, Stored> weights(probabilities, shape, mixing.heads), rows(gradient, shape, mixing.heads);
  float x[kHeads], y[kHeads], p[kHeads], mean[kHeads];

  // The softmax takes from each head's gradient its mean under the probabilities.
#pragma unroll
  for (int h = 0; h < kHeads; ++h) mean[h] = 0;
  for (std::int64_t key = threadIdx.x; key < shape.keys; key += kThreads) {
    rows.load(key, x);
    weights.load(key, p);
    weights_map.apply(x, y);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) mean[h] += p[h] * y[h];
  }
#pragma unroll
  for (int h = 0; h < kHeads; ++h) mean[h] = over_block(mean[h], sum);

  for (std::int64_t key = threadIdx.x; key < shape.keys; key += kThreads) {
    rows.load(key, x);
    weights.load(key, p);
    weights_map.apply(x, y);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) y[h] = p[h] * (y[h] - mean[h]);
    weights.store(key, y);
    logits_map.apply(y, x);
    rows.store(key, x);
  }
}

template <int kHeads>
struct HeadCount {
  static constexpr int kValue = kHeads;
};

// f(HeadCount, stored zero): with the kernels' number of heads, 4, 8 or 16, and the type of the maps.
template <class F>
void with_heads_and_type(int heads, StoredType type, F f) {
  with_type(type, [&](auto stored) {
    if (heads <= 4) return f(HeadCount<4>{}, stored);
    if (heads <= 8) return f(HeadCount<8>{}, stored);
    return f(HeadCount<16>{}, stored);
  });
}

unsigned blocks_of(const Maps& shape) { return static_cast<unsigned>(shape.images * shape.queries); }

}  // namespace

void launch_forward(const HeadMixing& mixing, const Maps& shape, void* maps, float* row_stats,
                    CUstream_st* stream) {
  with_heads_and_type(mixing.heads, shape.type, [&](auto count, auto stored) {
    using Stored = decltype(stored);
    constexpr int kHeads = decltype(count)::kValue;
    launch(forward_kernel<kHeads, Stored>, blocks_of(shape), kThreads, stream, mixing, shape,
           static_cast<Stored*>(maps), row_stats);
  });
}

void launch_recompute(const HeadMixing& mixing, const Maps& shape, const void* logits, const float* row_stats,
                      void* probabilities, void* mixed, CUstream_st* stream) {
  with_heads_and_type(mixing.heads, shape.type, [&](auto count, auto stored) {
    using Stored = decltype(stored);
    constexpr int kHeads = decltype(count)::kValue;
    launch(recompute_kernel<kHeads, Stored>, blocks_of(shape), kThreads, stream, mixing, shape,
           static_cast<const Stored*>(logits), row_stats, static_cast<Stored*>(probabilities),
           static_cast<Stored*>(mixed));
  });
}

void launch_backward(const HeadMixing& mixing, const Maps& shape, void* probabilities, void* gradient,
                     CUstream_st* stream) {
  with_heads_and_type(mixing.heads, shape.type, [&](auto count, auto stored) {
    using Stored = decltype(stored);
    constexpr int kHeads = decltype(count)::kValue;
    launch(backward_kernel<kHeads, Stored>, blocks_of(shape), kThreads, stream, mixing, shape,
           static_cast<Stored*>(probabilities), static_cast<Stored*>(gradient));
  });
}

}  // namespace vitrail::models::cuda
