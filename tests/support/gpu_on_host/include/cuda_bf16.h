#pragma once
#include <cmath>

#include "tests/support/gpu_on_host/cuda.hpp"

// NOLINTBEGIN(readability-identifier-naming): CUDA's names
struct __nv_bfloat16 {
  std::uint16_t bits = 0;
};
inline float __bfloat162float(__nv_bfloat16 x) {
  const std::uint32_t wide = static_cast<std::uint32_t>(x.bits) << 16;
  float real = 0;
  std::memcpy(&real, &wide, sizeof real);
  return real;
}
// To the nearest, ties to even; a NaN is 0x7fff, as PTX says of cvt.rn.bf16.f32.
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  if (std::isnan(x)) return {0x7fff};
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}
// NOLINTEND(readability-identifier-naming)
