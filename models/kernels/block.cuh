// What kernels here have in common: numbers stored in one of three types and read as fp32, and values
// combined over a block of kThreads threads in an order that does not depend on when they arrive. C++17, for
// the CUDA compiler.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "models/kernels/stored_type.hpp"

namespace vitrail::models::cuda {

constexpr int kThreads = 128, kWarp = 32, kWarps = kThreads / kWarp;

inline __device__ float read(const float* at) { return *at; }
inline __device__ float read(const __half* at) { return __half2float(*at); }
inline __device__ float read(const __nv_bfloat16* at) { return __bfloat162float(*at); }
inline __device__ void write(float* at, float x) { *at = x; }
inline __device__ void write(__half* at, float x) { *at = __float2half_rn(x); }
inline __device__ void write(__nv_bfloat16* at, float x) { *at = __float2bfloat16_rn(x); }

// Of all threads of the block; known to all of them.
template <class Combine>
__device__ float over_block(float x, Combine combine) {
  __shared__ float of_warp[kWarps];
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    x = combine(x, __shfl_xor_sync(0xffffffffU, x, distance));
  __syncthreads();  // the values of the call before have been read
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = x;
  __syncthreads();
  x = of_warp[0];
  for (int warp = 1; warp < kWarps; ++warp) x = combine(x, of_warp[warp]);
  return x;
}

inline __device__ float larger(float x, float y) { return fmaxf(x, y); }
inline __device__ float sum(float x, float y) { return x + y; }

// f(zero of the type).
template <class F>
void with_type(StoredType type, F f) {
  switch (type) {
    case StoredType::fp32:
      return f(float{});
    case StoredType::fp16:
      return f(__half{});
    case StoredType::bf16:
      return f(__nv_bfloat16{});
  }
}

}  // namespace vitrail::models::cuda
