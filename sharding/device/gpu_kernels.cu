// One thread block takes one run. Sums of squares: eight neighbouring threads, the ways of the sum, take
// kSumLength elements, so that each sum is added up in the order that update_formulas.hpp fixes.
#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "sharding/device/gpu_kernels.hpp"
#include "sharding/device/update_formulas.hpp"
#include "trainer/base/launch.cuh"

namespace vitrail::sharding::gpu {
namespace {

using formulas::kSumLength;
using formulas::kWays;

constexpr int kThreads = 512;
constexpr int kSumsAtATime = kThreads / kWays;
static_assert(kUpdateRun % kSumLength == 0 && kUpdateRun / kSumLength <= kSumsAtATime,
              "one round takes a run");

__device__ float widened(float x) { return x; }
__device__ double widened(double x) { return x; }
__device__ float widened(__half x) { return __half2float(x); }
__device__ float widened(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ void round_to(float x, float& to) { to = x; }
__device__ void round_to(double x, double& to) { to = x; }
__device__ void round_to(float x, __half& to) { to = __float2half_rn(x); }
__device__ void round_to(float x, __nv_bfloat16& to) { to = __float2bfloat16_rn(x); }

__device__ std::int64_t first_element() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ std::int64_t stride() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

struct Addends {
  std::size_t count;
  Addend of[kMostAddends];
};

// An element of an addend as a sum of T has it.
template <class T>
__device__ T element(const Addend& addend, std::int64_t i) {
  if constexpr (std::is_same_v<T, float>) {
    if (addend.type == DataType::f16) return widened(reinterpret_cast<const __half*>(addend.sum)[i]);
    if (addend.type == DataType::bf16) return widened(reinterpret_cast<const __nv_bfloat16*>(addend.sum)[i]);
  }
  return reinterpret_cast<const T*>(addend.sum)[i];
}

// `to` may be one of the addends.
template <class T>
__global__ void add_kernel(const Addends addends, std::int64_t n, T* to) {
  constexpr int kMostLeft = 16;
  for (std::int64_t i = first_element(); i < n; i += stride()) {
    T left[kMostLeft];
    int last = -1;
    for (std::size_t a = 0; a < addends.count; ++a) {
      left[++last] = element<T>(addends.of[a], i);
      for (int k = 0; k < addends.of[a].additions; ++k, --last)
        round_to(widened(left[last - 1]) + widened(left[last]), left[last - 1]);
    }
    to[i] = left[0];
  }
}

// The most frequent sum, whose addends stay in registers.
template <class T>
__global__ void add_two_kernel(const Addend left, const Addend right, std::int64_t n, T* to) {
  for (std::int64_t i = first_element(); i < n; i += stride()) {
    round_to(widened(element<T>(left, i)) + widened(element<T>(right, i)), to[i]);
  }
}

template <class T>
__global__ void widen_kernel(const T* from, std::int64_t n, float* to) {
  for (std::int64_t i = first_element(); i < n; i += stride()) to[i] = widened(from[i]);
}

template <class Real>
__device__ Real* as(std::byte* bytes) {
  return reinterpret_cast<Real*>(bytes);
}

template <class Real>
__global__ void element_kernel(UpdateKernel kernel, const UpdateRun* runs) {
  const UpdateRun& run = runs[blockIdx.x];
  const formulas::Scalars<Real> s(run.step);
  const auto factor = static_cast<Real>(run.factor);
  Real *sum = as<Real>(run.sum), *weight = as<Real>(run.weight), *exp_avg = as<Real>(run.exp_avg),
       *exp_avg_sq = as<Real>(run.exp_avg_sq), *average = as<Real>(run.average);
  for (std::int64_t i = threadIdx.x; i < run.elements; i += kThreads) {
    switch (kernel) {
      case UpdateKernel::adamw:
        formulas::adamw(s, sum[i], weight[i], exp_avg[i], exp_avg_sq[i]);
        break;
      case UpdateKernel::sgd:
        formulas::sgd(s, sum[i], weight[i], exp_avg[i]);
        break;
      case UpdateKernel::apply_update:
        weight[i] -= factor * sum[i];
        break;
      case UpdateKernel::scale:
        sum[i] *= factor;
        break;
      case UpdateKernel::follow:
        formulas::move_towards(factor, s.scale * sum[i], weight[i]);
        break;
      default:
        formulas::move_towards(factor, weight[i], average[i]);
    }
  }
}

// Adds up what the threads of a block have summed; of interest in thread 0.
__device__ double total_of_block(double way, double rest, std::int64_t elements) {
  __shared__ double ways[kThreads];
  __shared__ double rests[kSumsAtATime];
  __shared__ double totals[kSumsAtATime];
  const unsigned sum = threadIdx.x / kWays, first = sum * kWays;
  ways[threadIdx.x] = way;
  if (threadIdx.x == first) rests[sum] = rest;
  __syncthreads();
  if (threadIdx.x == first) {
    const double* w = ways + first;
    totals[sum] = formulas::total_of_ways(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]) + rests[sum];
  }
  __syncthreads();
  double total = 0;
  if (threadIdx.x == 0) {
    const std::int64_t sums = (elements + kSumLength - 1) / kSumLength;
    for (std::int64_t k = 0; k < sums; ++k) total += totals[k];
  }
  return total;
}

// Calls each(i, true) for the elements of this thread's way, and each(i, false) in the first thread of a sum
// for those of a last group of fewer than kWays.
template <class Each>
__device__ void for_own_elements(std::int64_t elements, const Each& each) {
  const unsigned way = threadIdx.x % kWays;
  const std::int64_t begin = static_cast<std::int64_t>(threadIdx.x / kWays) * kSumLength;
  const std::int64_t end = begin + kSumLength < elements ? begin + kSumLength : elements;
  const std::int64_t whole = end > begin ? begin + (end - begin) / kWays * kWays : begin;
  for (std::int64_t i = begin + way; i < whole; i += kWays) each(i, true);
  if (way != 0) return;
  for (std::int64_t i = whole; i < end; ++i) each(i, false);
}

template <class Real>
__global__ void clip_kernel(const UpdateRun* runs, Squares* squares) {
  const UpdateRun& run = runs[blockIdx.x];
  const auto limit = static_cast<Real>(run.factor);
  Real* sum = as<Real>(run.sum);
  double way[2] = {0, 0}, rest[2] = {0, 0};
  for_own_elements(run.elements, [&](std::int64_t i, bool in_way) {
    const Real before = sum[i];
    const Real after = run.factor == 0 ? before : formulas::clamped(limit, before);
    if (run.factor != 0) sum[i] = after;
    (in_way ? way : rest)[0] += formulas::square(before);
    (in_way ? way : rest)[1] += formulas::square(after);
  });
  const double first = total_of_block(way[0], rest[0], run.elements);
  const double second = total_of_block(way[1], rest[1], run.elements);
  if (threadIdx.x == 0) squares[blockIdx.x] = {first, second};
}

template <class Real>
__global__ void squares_kernel(const UpdateRun* runs, Squares* squares) {
  const UpdateRun& run = runs[blockIdx.x];
  const Real *sum = as<Real>(run.sum), *weight = as<Real>(run.weight);
  double way[2] = {0, 0}, rest[2] = {0, 0};
  for_own_elements(run.elements, [&](std::int64_t i, bool in_way) {
    (in_way ? way : rest)[0] += formulas::square(sum[i]);
    (in_way ? way : rest)[1] += formulas::square(weight[i]);
  });
  const double sums = total_of_block(way[0], rest[0], run.elements);
  const double weights = total_of_block(way[1], rest[1], run.elements);
  if (threadIdx.x == 0) squares[blockIdx.x] = {sums, weights};
}

template <class Real>
__global__ void lamb_direction_kernel(const UpdateRun* runs, Squares* squares) {
  const UpdateRun& run = runs[blockIdx.x];
  const formulas::Scalars<Real> s(run.step);
  const auto factor = static_cast<Real>(run.factor);
  Real *sum = as<Real>(run.sum), *weight = as<Real>(run.weight), *exp_avg = as<Real>(run.exp_avg),
       *exp_avg_sq = as<Real>(run.exp_avg_sq);
  double way[2] = {0, 0}, rest[2] = {0, 0};
  for_own_elements(run.elements, [&](std::int64_t i, bool in_way) {
    if (run.factor != 1) weight[i] *= factor;
    formulas::lamb_direction(s, sum[i], weight[i], exp_avg[i], exp_avg_sq[i]);
    (in_way ? way : rest)[0] += formulas::square(weight[i]);
    (in_way ? way : rest)[1] += formulas::square(sum[i]);
  });
  const double weights = total_of_block(way[0], rest[0], run.elements);
  const double updates = total_of_block(way[1], rest[1], run.elements);
  if (threadIdx.x == 0) squares[blockIdx.x] = {weights, updates};
}

unsigned blocks_for(std::int64_t n) {
  constexpr std::int64_t kEnough = 4096;  // blocks that fill any GPU
  const std::int64_t blocks = (n + kThreads - 1) / kThreads;
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

template <class Real>
void update_as(cudaStream_t stream, UpdateKernel kernel, const UpdateRun* runs, unsigned count,
               Squares* squares) {
  if (kernel == UpdateKernel::clip) {
    launch(clip_kernel<Real>, count, kThreads, stream, runs, squares);
  } else if (kernel == UpdateKernel::squares) {
    launch(squares_kernel<Real>, count, kThreads, stream, runs, squares);
  } else if (kernel == UpdateKernel::lamb_direction) {
    launch(lamb_direction_kernel<Real>, count, kThreads, stream, runs, squares);
  } else {
    launch(element_kernel<Real>, count, kThreads, stream, kernel, runs);
  }
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

void launch_update(cudaStream_t stream, UpdateKernel kernel, DataType type, const UpdateRun* runs,
                   std::int64_t count, Squares* squares) {
  if (count == 0) return;
  if (type == DataType::f64) {
    update_as<double>(stream, kernel, runs, static_cast<unsigned>(count), squares);
  } else {
    update_as<float>(stream, kernel, runs, static_cast<unsigned>(count), squares);
  }
}

}  // namespace vitrail::sharding::gpu
