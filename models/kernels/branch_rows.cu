// A block of threads takes a token, or some of them one after another; a thread takes four neighbouring
// columns at a time.
#include "models/kernels/block.cuh"
#include "models/kernels/branch_rows_cuda_kernels.hpp"
#include "trainer/base/launch.cuh"

namespace vitrail::models::cuda {
namespace {

constexpr int kFour = 4;
constexpr int kGroups = kLargestWidth / (kFour * kThreads);  // that a thread has at most

struct Columns {
  float of[kFour];

  __device__ float& operator[](int i) { return of[i]; }
  __device__ float operator[](int i) const { return of[i]; }
};

template <class Stored>
struct alignas(kFour * sizeof(Stored)) Packed {
  Stored of[kFour];
};

// One load or store of four.
template <class Stored>
__device__ Columns read_four(const Stored* at) {
  const Packed<Stored> packed = *reinterpret_cast<const Packed<Stored>*>(at);
  Columns columns;
#pragma unroll
  for (int i = 0; i < kFour; ++i) columns[i] = read(&packed.of[i]);
  return columns;
}

template <class Stored>
__device__ void write_four(Stored* at, const Columns& columns) {
  Packed<Stored> packed;
#pragma unroll
  for (int i = 0; i < kFour; ++i) write(&packed.of[i], columns[i]);
  *reinterpret_cast<Packed<Stored>*>(at) = packed;
}

// f(group, first column) for each group of this thread's columns.
template <class F>
__device__ void each_group(std::int64_t width, F f) {
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const std::int64_t column = kFour * (static_cast<std::int64_t>(group) * kThreads + threadIdx.x);
    if (column < width) f(group, column);
  }
}

// Where token `number` of the kept images begins among all images.
__device__ std::int64_t place_of(const BranchRows& s, std::int64_t number) {
  const std::int64_t kept = number / s.tokens, token = number % s.tokens;
  return ((s.chosen ? s.rows[kept] : kept) * s.tokens + token) * s.width;
}

// Which kept image this is; -1: none.
__device__ std::int64_t kept_number(const BranchRows& s, std::int64_t image) {
  if (!s.chosen) return image;
  std::int64_t begin = 0, end = s.kept;
  while (begin < end) {
    const std::int64_t middle = (begin + end) / 2;
    if (s.rows[middle] < image)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin < s.kept && s.rows[begin] == image ? begin : -1;
}

template <class Stored>
__global__ void __launch_bounds__(kThreads)
    norm_kernel(BranchRows s, NormOfRows norm, const float* x, float epsilon, Stored* y, float* gathered) {
  const std::int64_t number = blockIdx.x;
  const float* const from = x + place_of(s, number);
  Columns row[kGroups];
  float total = 0;
  each_group(s.width, [&](int group, std::int64_t column) {
    row[group] = read_four(from + column);
#pragma unroll
    for (int i = 0; i < kFour; ++i) total += row[group][i];
  });
  const float mean = over_block(total, sum) / static_cast<float>(s.width);
  float squares = 0;
  each_group(s.width, [&](int group, std::int64_t) {
#pragma unroll
    for (int i = 0; i < kFour; ++i) squares += (row[group][i] - mean) * (row[group][i] - mean);
  });
  const float rstd = 1 / sqrtf(over_block(squares, sum) / static_cast<float>(s.width) + epsilon);
  if (threadIdx.x == 0) {
    norm.mean[number] = mean;
    norm.rstd[number] = rstd;
  }
  each_group(s.width, [&](int group, std::int64_t column) {
    const Columns gain = read_four(norm.gain + column), bias = read_four(norm.bias + column);
    Columns normed;
#pragma unroll
    for (int i = 0; i < kFour; ++i) normed[i] = (row[group][i] - mean) * rstd * gain[i] + bias[i];
    write_four(y + number * s.width + column, normed);
    if (gathered != nullptr) write_four(gathered + number * s.width + column, row[group]);
  });
}

template <class Stored>
__global__ void __launch_bounds__(kThreads)
    norm_backward_kernel(BranchRows s, NormOfRows norm, const Stored* gradient, const float* gathered,
                         float* x_gradient, float* shares) {
  Columns of_gain[kGroups] = {}, of_bias[kGroups] = {};
  const std::int64_t first = blockIdx.x * kTokensOfBlock, all = s.kept * s.tokens;
  for (std::int64_t number = first; number < first + kTokensOfBlock && number < all; ++number) {
    const float mean = norm.mean[number], rstd = norm.rstd[number];
    const std::int64_t place = number * s.width;
    const auto normed = [&](float value) { return (value - mean) * rstd; };
    float total = 0, along = 0;  // of the gradient of the normed row, and of it times that row
    each_group(s.width, [&](int group, std::int64_t column) {
      const Columns g = read_four(gradient + place + column), x = read_four(gathered + place + column);
      const Columns gain = read_four(norm.gain + column);
#pragma unroll
      for (int i = 0; i < kFour; ++i) {
        total += g[i] * gain[i];
        along += g[i] * gain[i] * normed(x[i]);
        of_gain[group][i] += g[i] * normed(x[i]);
        of_bias[group][i] += g[i];
      }
    });
    total = over_block(total, sum) / static_cast<float>(s.width);
    along = over_block(along, sum) / static_cast<float>(s.width);
    float* const to = x_gradient + place_of(s, number);
    each_group(s.width, [&](int, std::int64_t column) {
      const Columns g = read_four(gradient + place + column), x = read_four(gathered + place + column);
      const Columns gain = read_four(norm.gain + column);
      Columns whole = read_four(to + column);
#pragma unroll
      for (int i = 0; i < kFour; ++i) whole[i] += rstd * (g[i] * gain[i] - total - normed(x[i]) * along);
      write_four(to + column, whole);
    });
  }
  float* const own = shares + blockIdx.x * 2 * s.width;
  each_group(s.width, [&](int group, std::int64_t column) {
    write_four(own + column, of_gain[group]);
    write_four(own + s.width + column, of_bias[group]);
  });
}

template <class Stored>
__global__ void __launch_bounds__(kThreads) add_kernel(BranchRows s, const float* base, const Stored* y,
                                                       const float* gamma, float scale, float* out) {
  const std::int64_t image = blockIdx.x / s.tokens, token = blockIdx.x % s.tokens;
  const std::int64_t place = blockIdx.x * s.width, kept = kept_number(s, image);
  each_group(s.width, [&](int, std::int64_t column) {
    Columns whole = read_four(base + place + column);
    if (kept >= 0) {
      const Columns added = read_four(y + (kept * s.tokens + token) * s.width + column);
#pragma unroll
      for (int i = 0; i < kFour; ++i)
        whole[i] += scale * (gamma == nullptr ? added[i] : added[i] * gamma[column + i]);
    }
    write_four(out + place + column, whole);
  });
}

template <class Stored>
__global__ void __launch_bounds__(kThreads)
    add_backward_kernel(BranchRows s, const float* gradient, const Stored* y, const float* gamma, float scale,
                        Stored* y_gradient, float* shares) {
  Columns of_gamma[kGroups] = {};
  const std::int64_t first = blockIdx.x * kTokensOfBlock, all = s.kept * s.tokens;
  for (std::int64_t number = first; number < first + kTokensOfBlock && number < all; ++number) {
    const float* const from = gradient + place_of(s, number);
    each_group(s.width, [&](int group, std::int64_t column) {
      const std::int64_t place = number * s.width + column;
      Columns g = read_four(from + column);
#pragma unroll
      for (int i = 0; i < kFour; ++i) g[i] *= scale;
      if (gamma != nullptr) {
        const Columns computed = read_four(y + place);
#pragma unroll
        for (int i = 0; i < kFour; ++i) {
          of_gamma[group][i] += g[i] * computed[i];
          g[i] *= gamma[column + i];
        }
      }
      write_four(y_gradient + place, g);
    });
  }
  if (gamma == nullptr) return;
  each_group(s.width, [&](int group, std::int64_t column) {
    write_four(shares + blockIdx.x * s.width + column, of_gamma[group]);
  });
}

// A warp's columns; each of the block's warps adds up a part of the shares.
__global__ void __launch_bounds__(kThreads)
    sum_kernel(const float* shares, std::int64_t blocks, std::int64_t columns, float* sums) {
  __shared__ float of_part[kWarps][kWarp];
  const std::int64_t lane = threadIdx.x % kWarp, part = threadIdx.x / kWarp;
  const std::int64_t column = blockIdx.x * kWarp + lane;
  float total = 0;
  if (column < columns) {
    for (std::int64_t block = blocks * part / kWarps; block < blocks * (part + 1) / kWarps; ++block)
      total += shares[block * columns + column];
  }
  of_part[part][lane] = total;
  __syncthreads();
  if (part > 0 || column >= columns) return;
  for (int other = 1; other < kWarps; ++other) total += of_part[other][lane];
  sums[column] = total;
}

unsigned count(std::int64_t blocks) { return static_cast<unsigned>(blocks); }

}  // namespace

void launch_norm_of_rows(const BranchRows& shape, const NormOfRows& norm, const float* x, float epsilon,
                         void* y, float* gathered, CUstream_st* stream) {
  with_type(shape.type, [&](auto stored) {
    using Stored = decltype(stored);
    launch(norm_kernel<Stored>, count(shape.kept * shape.tokens), kThreads, stream, shape, norm, x, epsilon,
           static_cast<Stored*>(y), gathered);
  });
}

void launch_norm_of_rows_backward(const BranchRows& shape, const NormOfRows& norm, const void* gradient,
                                  const float* gathered, float* x_gradient, float* shares,
                                  CUstream_st* stream) {
  with_type(shape.type, [&](auto stored) {
    using Stored = decltype(stored);
    launch(norm_backward_kernel<Stored>, count(shape.blocks()), kThreads, stream, shape, norm,
           static_cast<const Stored*>(gradient), gathered, x_gradient, shares);
  });
}

void launch_add_to_rows(const BranchRows& shape, const float* sum, const void* y, const float* gamma,
                        float scale, float* out, CUstream_st* stream) {
  with_type(shape.type, [&](auto stored) {
    using Stored = decltype(stored);
    launch(add_kernel<Stored>, count(shape.images * shape.tokens), kThreads, stream, shape, sum,
           static_cast<const Stored*>(y), gamma, scale, out);
  });
}

void launch_add_to_rows_backward(const BranchRows& shape, const float* gradient, const void* y,
                                 const float* gamma, float scale, void* y_gradient, float* shares,
                                 CUstream_st* stream) {
  with_type(shape.type, [&](auto stored) {
    using Stored = decltype(stored);
    launch(add_backward_kernel<Stored>, count(shape.blocks()), kThreads, stream, shape, gradient,
           static_cast<const Stored*>(y), gamma, scale, static_cast<Stored*>(y_gradient), shares);
  });
}

void launch_sum_of_shares(const float* shares, std::int64_t blocks, std::int64_t columns, float* sums,
                          CUstream_st* stream) {
  launch(sum_kernel, count((columns + kWarp - 1) / kWarp), kThreads, stream, shares, blocks, columns, sums);
}

}  // namespace vitrail::models::cuda
