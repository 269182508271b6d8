// Four neighbouring numbers in a thread: loaded and stored at once where their address allows it, else one by
// one. C++17, for the CUDA compiler.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

namespace vitrail::sharding::gpu {

constexpr int kThreads = 512;  // of a block, where each takes its own fours
constexpr int kFour = 4;

// Neighbours, in one access of 8 or 16 bytes, or two.
template <class T>
struct alignas(kFour * sizeof(T) < 16 ? kFour * sizeof(T) : 16) Four {
  T at[kFour];
};

// Whether each of them can be read and written by fours.
template <class T>
__device__ bool by_fours(const T* x) {
  return reinterpret_cast<std::uintptr_t>(x) % alignof(Four<T>) == 0;
}

// The first `count` of four numbers from `from` on; the others are none.
template <class T>
__device__ Four<T> load(const T* from, int count, bool at_once) {
  if (at_once && count == kFour) return *reinterpret_cast<const Four<T>*>(from);
  Four<T> x{};
#pragma unroll
  for (int k = 0; k < kFour; ++k)
    if (k < count) x.at[k] = from[k];
  return x;
}
template <class T>
__device__ void store(const Four<T>& x, T* to, int count, bool at_once) {
  if (at_once && count == kFour) {
    *reinterpret_cast<Four<T>*>(to) = x;
    return;
  }
#pragma unroll
  for (int k = 0; k < kFour; ++k)
    if (k < count) to[k] = x.at[k];
}

inline __device__ int up_to_four(std::int64_t left) { return left < kFour ? static_cast<int>(left) : kFour; }

}  // namespace vitrail::sharding::gpu
