#pragma once
#include <cmath>

#include "tests/support/gpu_on_host/cuda.hpp"

// NOLINTBEGIN(readability-identifier-naming): CUDA's names
struct __half {
  std::uint16_t bits = 0;
};
inline float __half2float(__half x) {
  const int exponent = (x.bits >> 10) & 31, fraction = x.bits & 1023;
  float size = std::ldexp(static_cast<float>(exponent == 0 ? fraction : fraction + 1024),
                          (exponent == 0 ? 1 : exponent) - 25);
  if (exponent == 31) size = fraction == 0 ? INFINITY : NAN;
  return (x.bits & 0x8000) != 0 ? -size : size;
}
// To the nearest, ties to even; a NaN is 0x7fff, as PTX says of cvt.rn.f16.f32.
inline __half __float2half_rn(float x) {
  if (std::isnan(x)) return {0x7fff};
  const float size = std::fabs(x);
  const unsigned sign = std::signbit(x) ? 0x8000 : 0;
  if (size >= 65520.0F) return {static_cast<std::uint16_t>(sign | 0x7c00)};
  const int exponent = size == 0 ? -14 : std::max(std::ilogb(size), -14);
  const auto fraction = static_cast<unsigned>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return {static_cast<std::uint16_t>(sign | ((static_cast<unsigned>(exponent + 14) << 10) + fraction))};
}
// NOLINTEND(readability-identifier-naming)
