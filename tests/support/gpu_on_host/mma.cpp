// Tensor cores in plain C++: each thread computes its own part of a warp's product from what all hold.
#include "models/kernels/mma.cuh"

#include <array>
#include <vector>

#include "tests/support/gpu_on_host/cuda.hpp"

namespace vitrail::models::cuda {
namespace {

using tests::gpu_on_host::with_warp;

std::uint16_t half_of(unsigned pair, unsigned which) {
  return static_cast<std::uint16_t>(pair >> (16 * which));
}

// All halves, once: their arithmetic takes long.
template <class Half, class Widen>
std::vector<float> all_widened(Widen widen) {
  std::vector<float> all(1U << 16);
  for (unsigned bits = 0; bits < all.size(); ++bits)
    all[bits] = widen(Half{static_cast<std::uint16_t>(bits)});
  return all;
}

struct Operands {
  const unsigned* a;  // [4]
  const unsigned* b;  // [2]
};

void add_product(const std::vector<float>& widened, const unsigned (&a)[4], const unsigned (&b)[2],
                 float (&d)[4]) {
  const Operands own{a, b};
  with_warp(&own, [&](const std::array<const void*, 32>& warp) {
    const auto of = [&](unsigned lane) { return *static_cast<const Operands*>(warp[lane]); };
    const unsigned g = threadIdx.x % 32 / 4, c = threadIdx.x % 4;
    float rows[2][16], columns[2][16];  // g and g + 8 of A, 2 c and 2 c + 1 of B
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned part = k % 8 / 2, upper = k / 8;
      for (unsigned i = 0; i < 2; ++i) {
        rows[i][k] = widened[half_of(of(4 * g + part).a[i + 2 * upper], k % 2)];
        columns[i][k] = widened[half_of(of(4 * (2 * c + i) + part).b[upper], k % 2)];
      }
    }
    for (unsigned i = 0; i < 4; ++i) {
      for (unsigned k = 0; k < 16; ++k) d[i] += rows[i / 2][k] * columns[i % 2][k];
    }
  });
}

}  // namespace

void multiply_add(__half, const unsigned (&a)[4], const unsigned (&b)[2], float (&d)[4]) {
  static const std::vector<float> widened = all_widened<__half>(__half2float);
  add_product(widened, a, b, d);
}

void multiply_add(__nv_bfloat16, const unsigned (&a)[4], const unsigned (&b)[2], float (&d)[4]) {
  static const std::vector<float> widened = all_widened<__nv_bfloat16>(__bfloat162float);
  add_product(widened, a, b, d);
}

unsigned transposed(unsigned x) {
  unsigned to = 0;
  with_warp(&x, [&](const std::array<const void*, 32>& warp) {
    const unsigned g = threadIdx.x % 32 / 4, c = threadIdx.x % 4;
    const auto at = [&](unsigned row, unsigned column) -> unsigned {
      return half_of(*static_cast<const unsigned*>(warp.at(4 * row + column / 2)), column % 2);
    };
    to = at(2 * c, g) | at(2 * c + 1, g) << 16;
  });
  return to;
}

}  // namespace vitrail::models::cuda
