// What the fused kernels of talking heads have in common: a block of kFusedWarps warps holds kSide rows of
// one image (queries or keys), all heads of them, and goes along its columns, kSide at a time. Products of
// rows and columns: each warp two heads. Mixing: each warp two columns, a small matrix [rows, heads] for
// each, so that what one mixing gives is what the next one takes. C++17, for the CUDA compiler.
#pragma once

#include "models/kernels/talking_heads/fused_operands.cuh"

namespace vitrail::models::cuda {

using Tile = unsigned[kSide][kSide][kStride];  // [column][row][pair of heads] or [head][row][pair of columns]

// tile [column][row][heads] = scale * rows of x times columns of y, of this warp's heads.
template <class Stored, int kSteps>
__device__ void products(const Operand& x, int row, const Operand& y, int column, float scale, Tile& tile) {
  const int g = group(), c = place();
#pragma unroll 1
  for (int half = 0; half < 2; ++half) {  // of the columns
    float d[kOwn][4] = {};
#pragma unroll 1  // else operands of all steps lie in registers
    for (int step = 0; step < kSteps; ++step) {
      const int dim = kSide * step + 2 * c, t = column + 8 * half + g;
#pragma unroll
      for (int own = 0; own < kOwn; ++own) {
        const int h = kOwn * warp_of_block() + own;
        const unsigned a[4] = {x.pair(h, row + g, dim), x.pair(h, row + g + 8, dim),
                               x.pair(h, row + g, dim + 8), x.pair(h, row + g + 8, dim + 8)};
        const unsigned b[2] = {y.pair(h, t, dim), y.pair(h, t, dim + 8)};
        multiply_add(Stored{}, a, b, d[own]);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      tile[8 * half + 2 * c + i % 2][g + 8 * (i / 2)][warp_of_block()] =
          pair_of<Stored>(scale * d[0][i], scale * d[1][i]);
    }
  }
}

// of a tile [..][row][pairs]: A's part of this thread.
inline __device__ void load_rows(const unsigned (&from)[kSide][kStride], unsigned (&a)[4]) {
  const int g = group(), c = place();
  a[0] = from[g][c];
  a[1] = from[g + 8][c];
  a[2] = from[g][c + 4];
  a[3] = from[g + 8][c + 4];
}

// What a thread has of [rows, heads] for one column: of rows g and g + 8, heads 2 c, 2 c + 1 and 8 more.
struct OfHeads {
  float at[2][4];  // [heads / 8][row g: two heads, row g + 8: two heads]

  template <class Stored>
  __device__ void as_rows(unsigned (&a)[4]) const {
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      a[2 * n] = pair_of<Stored>(at[n][0], at[n][1]);
      a[2 * n + 1] = pair_of<Stored>(at[n][2], at[n][3]);
    }
  }
};

// This thread's part of a map over heads.
template <class Stored>
struct Mix {
  unsigned weight[2][2];
  float bias[4];

  // source [H,H]; the transposed map: from the outputs of the other to its inputs. No bias: zero.
  __device__ Mix(const HeadMixing& mixing, const float* source, const float* bias_source,
                 bool transposed_map) {
    const auto at = [&](int to, int from) {
      if (to >= mixing.heads || from >= mixing.heads) return 0.0F;
      return transposed_map ? source[from * mixing.heads + to] : source[to * mixing.heads + from];
    };
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int to = 8 * n + group(), from = 8 * k + 2 * place();
        weight[n][k] = pair_of<Stored>(at(to, from), at(to, from + 1));
        const int head = 8 * n + 2 * place() + k;
        bias[2 * n + k] = bias_source != nullptr && head < mixing.heads ? bias_source[head] : 0.0F;
      }
    }
  }

  __device__ OfHeads operator()(const unsigned (&a)[4]) const {
    OfHeads to;
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) to.at[n][i] = bias[2 * n + i % 2];
      multiply_add(Stored{}, a, weight[n], to.at[n]);
    }
    return to;
  }
};

// tile [head][row][columns] of this warp's columns.
template <class Stored>
__device__ void store_columns(const OfHeads (&of)[kOwn], Tile& tile) {
#pragma unroll
  for (int n = 0; n < 2; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      tile[8 * n + 2 * place() + i % 2][group() + 8 * (i / 2)][warp_of_block()] =
          pair_of<Stored>(of[0].at[n][i], of[1].at[n][i]);
    }
  }
}

// Sums of weights' rows and columns' vectors, of this warp's heads.
template <class Stored, int kSteps>
struct Weighted {
  float sum[kOwn][2 * kSteps][4] = {};

  // tile [head][row][columns] times columns of y.
  __device__ void add(const Tile& tile, const Operand& y, int column) {
    const int g = group(), c = place();
#pragma unroll
    for (int own = 0; own < kOwn; ++own) {
      const int h = kOwn * warp_of_block() + own;
      unsigned a[4];
      load_rows(tile[h], a);
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
        const unsigned b[2] = {y.pair_of_tokens(h, column + 2 * c, 8 * n + g),
                               y.pair_of_tokens(h, column + 2 * c + 8, 8 * n + g)};
        multiply_add(Stored{}, a, b, sum[own][n]);
      }
    }
  }

  __device__ void store(const HeadRows& to, std::int64_t image, int row, int tokens, int heads,
                        float scale) const {
#pragma unroll
    for (int own = 0; own < kOwn; ++own) {
      const int h = kOwn * warp_of_block() + own;
#pragma unroll
      for (int lower = 0; lower < 2; ++lower) {
        const int t = row + group() + 8 * lower;
        if (h >= heads || t >= tokens) continue;
        auto* const at = static_cast<unsigned short*>(to.first) + image * to.image + h * to.head +
                         t * to.token + 2 * place();
#pragma unroll
        for (int n = 0; n < 2 * kSteps; ++n) {
          *reinterpret_cast<unsigned*>(at + 8 * n) =
              pair_of<Stored>(scale * sum[own][n][2 * lower], scale * sum[own][n][2 * lower + 1]);
        }
      }
    }
  }
};

}  // namespace vitrail::models::cuda
