// Operands of the fused kernels of talking heads: which rows a block has, which part of a fragment a thread,
// two neighbouring halves in 32 bits. C++17, for the CUDA compiler.
#pragma once

#include <cstring>

#include "models/kernels/block.cuh"
#include "models/kernels/mma.cuh"
#include "models/kernels/talking_heads/fused.hpp"

namespace vitrail::models::cuda {

constexpr int kFusedWarps = 8, kFusedThreads = 32 * kFusedWarps;
constexpr int kOwn = 2;              // heads, and columns of a tile, of a warp
constexpr int kPairs = kSide / 2;    // of neighbours in 32 bits
constexpr int kStride = kPairs + 4;  // of a tile's rows: a warp's reads meet 32 banks
static_assert(kFusedWarps * kOwn == kSide && kMaxHeads == kSide, "a tile is shared out");

// Of a block: its image, and where its rows begin.
struct Rows {
  std::int64_t image;
  int first, tokens;
  __device__ explicit Rows(const TalkingShape& shape) : tokens(static_cast<int>(shape.tokens)) {
    const auto tiles = static_cast<unsigned>((tokens + kSide - 1) / kSide);
    image = blockIdx.x / tiles;
    first = static_cast<int>(blockIdx.x % tiles) * kSide;
  }
};

inline __device__ int warp_of_block() { return static_cast<int>(threadIdx.x) / 32; }
inline __device__ int group() { return static_cast<int>(threadIdx.x) % 32 / 4; }
inline __device__ int place() { return static_cast<int>(threadIdx.x) % 4; }

template <class Stored>
__device__ unsigned bits_of(float x) {
  Stored stored;
  write(&stored, x);
  unsigned short bits = 0;
  std::memcpy(&bits, &stored, sizeof bits);
  return bits;
}
template <class Stored>
__device__ unsigned pair_of(float low, float high) {
  return bits_of<Stored>(low) | bits_of<Stored>(high) << 16;
}

// One operand of an image; zero outside.
struct Operand {
  const unsigned short* first;
  int head, token, tokens, heads;

  __device__ Operand(const HeadRows& rows, std::int64_t image, const TalkingShape& shape, int head_count)
      : first(static_cast<const unsigned short*>(rows.first) + image * rows.image),
        head(static_cast<int>(rows.head)),
        token(static_cast<int>(rows.token)),
        tokens(static_cast<int>(shape.tokens)),
        heads(head_count) {}

  // Numbers dim and dim + 1 of a token.
  __device__ unsigned pair(int h, int t, int dim) const {
    return h < heads && t < tokens ? *reinterpret_cast<const unsigned*>(first + (h * head + t * token + dim))
                                   : 0;
  }
  // Number dim of tokens t and t + 1.
  __device__ unsigned pair_of_tokens(int h, int t, int dim) const {
    if (h >= heads || t >= tokens) return 0;
    const unsigned short* const at = first + (h * head + t * token + dim);
    return at[0] | (t + 1 < tokens ? static_cast<unsigned>(at[token]) << 16 : 0U);
  }
};

template <int kSteps>
struct Steps {
  static constexpr int kValue = kSteps;
};

// f(stored zero, Steps): with the type and how often kSide numbers make a head.
template <class F>
void with_fused_type(const TalkingShape& shape, F f) {
  const auto with_steps = [&](auto stored) {
    switch (shape.width / kSide) {
      case 1:
        return f(stored, Steps<1>{});
      case 2:
        return f(stored, Steps<2>{});
      default:
        return f(stored, Steps<3>{});
    }
  };
  if (shape.type == StoredType::bf16) return with_steps(__nv_bfloat16{});
  with_steps(__half{});
}

}  // namespace vitrail::models::cuda
