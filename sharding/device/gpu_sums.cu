// Sums of gradients and wider copies: each thread four neighbours at a time.
#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "sharding/device/fours.cuh"
#include "sharding/device/gpu_kernels.hpp"
#include "trainer/base/launch.cuh"

namespace vitrail::sharding::gpu {
namespace {

__device__ float widened(float x) { return x; }
__device__ double widened(double x) { return x; }
__device__ float widened(__half x) { return __half2float(x); }
__device__ float widened(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ void round_to(float x, float& to) { to = x; }
__device__ void round_to(double x, double& to) { to = x; }
__device__ void round_to(float x, __half& to) { to = __float2half_rn(x); }
__device__ void round_to(float x, __nv_bfloat16& to) { to = __float2bfloat16_rn(x); }

// Of a grid: each(first element, how many) for this thread's fours.
template <class Each>
__device__ void for_fours(std::int64_t n, const Each& each) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x * kFour;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kFour;
  for (std::int64_t i = first; i < n; i += stride) each(i, up_to_four(n - i));
}

struct Addends {
  std::size_t count;
  Addend of[kMostAddends];
};

template <class T, class Stored>
__device__ Four<T> widened_fours(const std::byte* sum, std::int64_t i, int count) {
  const auto* from = reinterpret_cast<const Stored*>(sum) + i;
  const Four<Stored> stored = load(from, count, by_fours(from));
  Four<T> x;
  for (int k = 0; k < kFour; ++k) x.at[k] = widened(stored.at[k]);
  return x;
}

// Elements of an addend as a sum of T has them.
template <class T>
__device__ Four<T> elements(const Addend& addend, std::int64_t i, int count) {
  if constexpr (std::is_same_v<T, float>) {
    if (addend.type == DataType::f16) return widened_fours<T, __half>(addend.sum, i, count);
    if (addend.type == DataType::bf16) return widened_fours<T, __nv_bfloat16>(addend.sum, i, count);
  }
  const T* from = reinterpret_cast<const T*>(addend.sum) + i;
  return load(from, count, by_fours(from));
}

template <class T>
__device__ void add_to(Four<T>& left, const Four<T>& right) {
  for (int k = 0; k < kFour; ++k) round_to(widened(left.at[k]) + widened(right.at[k]), left.at[k]);
}

// `to` may be one of the addends.
template <class T>
__global__ void __launch_bounds__(kThreads) add_kernel(const Addends addends, std::int64_t n, T* to) {
  constexpr int kMostLeft = 16;
  for_fours(n, [&](std::int64_t i, int count) {
    Four<T> left[kMostLeft];
    int last = -1;
    for (std::size_t a = 0; a < addends.count; ++a) {
      left[++last] = elements<T>(addends.of[a], i, count);
      for (int k = 0; k < addends.of[a].additions; ++k, --last) add_to(left[last - 1], left[last]);
    }
    store(left[0], to + i, count, by_fours(to + i));
  });
}

// The most frequent sum, whose addends stay in registers.
template <class T>
__global__ void __launch_bounds__(kThreads)
    add_two_kernel(const Addend first, const Addend second, std::int64_t n, T* to) {
  for_fours(n, [&](std::int64_t i, int count) {
    Four<T> sum = elements<T>(first, i, count);
    add_to(sum, elements<T>(second, i, count));
    store(sum, to + i, count, by_fours(to + i));
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) widen_kernel(const T* from, std::int64_t n, float* to) {
  for_fours(n, [&](std::int64_t i, int count) {
    const Four<T> x = load(from + i, count, by_fours(from + i));
    Four<float> wide;
    for (int k = 0; k < kFour; ++k) wide.at[k] = widened(x.at[k]);
    store(wide, to + i, count, by_fours(to + i));
  });
}

unsigned blocks_for(std::int64_t n) {
  constexpr std::int64_t kEnough = 1024;  // blocks that fill any GPU
  const std::int64_t blocks = (n + kThreads * kFour - 1) / (kThreads * kFour);
  return static_cast<unsigned>(blocks < kEnough ? blocks : kEnough);
}

template <class T>
void add_as(cudaStream_t stream, const Addends& addends, std::int64_t n, std::byte* to) {
  if (addends.count == 2) {
    return launch(add_two_kernel<T>, blocks_for(n), kThreads, stream, addends.of[0], addends.of[1], n,
                  reinterpret_cast<T*>(to));
  }
  launch(add_kernel<T>, blocks_for(n), kThreads, stream, addends, n, reinterpret_cast<T*>(to));
}

template <class T>
void widen_as(cudaStream_t stream, const std::byte* from, std::int64_t n, std::byte* to) {
  launch(widen_kernel<T>, blocks_for(n), kThreads, stream, reinterpret_cast<const T*>(from), n,
         reinterpret_cast<float*>(to));
}

}  // namespace

void launch_add(cudaStream_t stream, DataType type, const Addend* addends, std::size_t count, std::int64_t n,
                std::byte* to) {
  if (n == 0) return;
  Addends all{count, {}};
  for (std::size_t a = 0; a < count; ++a) all.of[a] = addends[a];
  switch (type) {
    case DataType::f16:
      return add_as<__half>(stream, all, n, to);
    case DataType::bf16:
      return add_as<__nv_bfloat16>(stream, all, n, to);
    case DataType::f64:
      return add_as<double>(stream, all, n, to);
    default:
      return add_as<float>(stream, all, n, to);
  }
}

void launch_widen(cudaStream_t stream, DataType type, const std::byte* from, std::int64_t n, std::byte* to) {
  if (n == 0) return;
  if (type == DataType::f16) return widen_as<__half>(stream, from, n, to);
  if (type == DataType::bf16) return widen_as<__nv_bfloat16>(stream, from, n, to);
  const std::size_t width = type == DataType::f64 ? sizeof(double) : sizeof(float);
  cudaMemcpyAsync(to, from, static_cast<std::size_t>(n) * width, cudaMemcpyDeviceToDevice, stream);
}

}  // namespace vitrail::sharding::gpu
