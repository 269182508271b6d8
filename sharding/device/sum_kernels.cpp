#include "sharding/device/sum_kernels.hpp"

#include <bit>
#include <cstring>

namespace vitrail::sharding {
namespace {

struct Bfloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

float to_real(float x) { return x; }
double to_real(double x) { return x; }
float to_real(Bfloat16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }

// fp16's exponent and fraction stand three places lower than fp32's and its exponent's bias is smaller by
// 112: a multiplication by 2^112 mends both, subnormals included.
float to_real(Float16 x) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(x.bits & 0x7fff) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000) << 16;
  const std::uint32_t scaled = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112F);
  const bool special = magnitude >= (0x7c00U << 13);  // infinity or NaN
  return std::bit_cast<float>(sign | (special ? magnitude | 0x7f800000U : scaled));
}

void from_real(float x, float& to) { to = x; }
void from_real(double x, double& to) { to = x; }

void from_real(float x, Bfloat16& to) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = bits + 0x7fffU + ((bits >> 16) & 1U);
  const bool nan = (bits & 0x7fffffffU) > 0x7f800000U;
  to.bits = static_cast<std::uint16_t>((nan ? bits | 0x400000U : rounded) >> 16);
}

// Above fp16's smallest normal number the fraction is rounded by integer arithmetic; below, an addition of
// 0.5 lines the bits up and rounds them; from 65520 on it is infinity.
void from_real(float x, Float16& to) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (bits >> 16) & 0x8000U, magnitude = bits & 0x7fffffffU;
  const std::uint32_t normal = (magnitude - (112U << 23) + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
  const std::uint32_t small = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
                              std::bit_cast<std::uint32_t>(0.5F);
  std::uint32_t half = magnitude < (113U << 23) ? small : normal;
  half = magnitude >= 0x477ff000U ? 0x7c00U : half;
  half = magnitude > 0x7f800000U ? 0x7e00U : half;
  to.bits = static_cast<std::uint16_t>(sign | half);
}

// Calls f with a value of the type of the elements.
template <class F>
void with_element(DataType type, const F& f) {
  switch (type) {
    case DataType::f16:
      return f(Float16{});
    case DataType::bf16:
      return f(Bfloat16{});
    case DataType::f64:
      return f(double{});
    default:
      return f(float{});
  }
}

}  // namespace

void add(DataType type, const std::byte* left, const std::byte* right, std::int64_t n, std::byte* to) {
  with_element(type, [&](auto zero) {
    using T = decltype(zero);
    const auto* a = reinterpret_cast<const T*>(left);
    const auto* b = reinterpret_cast<const T*>(right);
    auto* sum = reinterpret_cast<T*>(to);
    for (std::int64_t i = 0; i < n; ++i) from_real(to_real(a[i]) + to_real(b[i]), sum[i]);
  });
}

void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) {
  if (sum_type(type) == type) {
    std::memmove(to, from, static_cast<std::size_t>(n) * size_of(type));
    return;
  }
  with_element(type, [&](auto zero) {
    const auto* in = reinterpret_cast<const decltype(zero)*>(from);
    auto* out = reinterpret_cast<float*>(to);
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(to_real(in[i]));
  });
}

}  // namespace vitrail::sharding
