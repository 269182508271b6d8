#include "datasets/pixels/resize_x86.hpp"

#ifdef __x86_64__

#include <algorithm>
#include <cstring>

#include <immintrin.h>

// A weight has up to 24 bits and a multiply-add of pairs takes 16: weight = high * 2^11 + low, two sums.
#define VITRAIL_AVX2 __attribute__((target("avx2")))

namespace vitrail::datasets {
namespace {

constexpr int kLowBits = 11;
constexpr std::int32_t kLowMask = (1 << kLowBits) - 1;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);
constexpr int kGroup = 4;  // taps taken at once
constexpr int kRows = 4;   // that share the loads of weights

std::int16_t high_part(std::int32_t weight) { return static_cast<std::int16_t>(weight >> kLowBits); }
std::int16_t low_part(std::int32_t weight) { return static_cast<std::int16_t>(weight & kLowMask); }

VITRAIL_AVX2 __m256i to_bytes_scaled(__m256i high, __m256i low) {
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(kHalf)), kWeightBits);
}

// For each group of taps 4 high parts, then 4 low parts.
void split_weights(const Taps& taps, std::vector<std::int16_t>& parts) {
  parts.resize(taps.weights.size() * 2);
  std::int16_t* out = parts.data();
  for (std::size_t i = 0; i < taps.weights.size(); i += kGroup) {
    for (std::size_t k = 0; k < kGroup; ++k) *out++ = high_part(taps.weights[i + k]);
    for (std::size_t k = 0; k < kGroup; ++k) *out++ = low_part(taps.weights[i + k]);
  }
}

// Each row's sums are in lanes r g b - for taps 0 and 1 of every group, and again for taps 2 and 3.
template <int kCount>
VITRAIL_AVX2 void across_rows(const std::uint8_t* in, std::size_t in_stride, const Taps& taps,
                              const std::int16_t* parts, std::uint8_t* out, std::size_t out_stride) {
  const __m256i pixels_to_pairs =
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                       6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const __m256i high_pairs = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,  //
                                              4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
  const __m256i low_pairs = _mm256_add_epi8(high_pairs, _mm256_set1_epi8(8));
  const int groups = taps.taps / kGroup;
  for (int i = 0; i < taps.outputs(); ++i) {
    const std::uint8_t* pixel = in + std::ptrdiff_t{taps.first[static_cast<std::size_t>(i)]} * 3;
    __m256i high[kCount], low[kCount];
    for (int r = 0; r < kCount; ++r) high[r] = low[r] = _mm256_setzero_si256();
    for (int g = 0; g < groups; ++g, parts += 2 * kGroup, pixel += 3 * kGroup) {
      const __m256i both =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(parts)));
      const __m256i weights_high = _mm256_shuffle_epi8(both, high_pairs);
      const __m256i weights_low = _mm256_shuffle_epi8(both, low_pairs);
      for (int r = 0; r < kCount; ++r) {
        const auto* source =
            reinterpret_cast<const __m128i*>(pixel + static_cast<std::size_t>(r) * in_stride);
        const __m256i pairs =
            _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(source)), pixels_to_pairs);
        high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(pairs, weights_high));
        low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(pairs, weights_low));
      }
    }
    for (int r = 0; r < kCount; ++r) {
      const __m256i sums = _mm256_add_epi32(_mm256_slli_epi32(high[r], kLowBits), low[r]);
      __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
      sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalf)), kWeightBits);
      sum = _mm_packs_epi32(sum, sum);
      const int rgb = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
      std::memcpy(out + static_cast<std::size_t>(r) * out_stride, &rgb, 4);  // the fourth byte is overwritten
    }
    out += 3;
  }
}

void across(const RowsIn& in, const Taps& taps, std::vector<std::int16_t>& scratch, const RowsOut& out) {
  if (taps.taps % kGroup != 0) return plain_resize_kernels().across(in, taps, scratch, out);
  split_weights(taps, scratch);
  int y = 0;
  const auto source = [&] { return in.first + static_cast<std::size_t>(y) * in.stride; };
  const auto target = [&] { return out.first + static_cast<std::size_t>(y) * out.stride; };
  for (; y + kRows <= in.count; y += kRows) {
    across_rows<kRows>(source(), in.stride, taps, scratch.data(), target(), out.stride);
  }
  for (; y < in.count; ++y) {
    across_rows<1>(source(), in.stride, taps, scratch.data(), target(), out.stride);
  }
}

// 32 bytes of one output row. Bytes of two rows side by side are 16-bit pairs for the multiply-add.
VITRAIL_AVX2 __m256i down_bytes(const std::uint8_t* in, std::size_t stride, const std::int32_t* weights,
                                int taps) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i high[4] = {zero, zero, zero, zero}, low[4] = {zero, zero, zero, zero};
  for (int k = 0; k < taps; k += 2) {
    const bool pair = k + 1 < taps;
    const std::uint8_t* upper = in + static_cast<std::size_t>(k) * stride;
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(upper));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pair ? upper + stride : upper));
    const std::int32_t first = weights[k], second = pair ? weights[k + 1] : 0;
    const __m256i weights_high =
        _mm256_set1_epi32(static_cast<std::int32_t>((static_cast<std::uint32_t>(high_part(second)) << 16) |
                                                    static_cast<std::uint16_t>(high_part(first))));
    const __m256i weights_low = _mm256_set1_epi32(low_part(second) << 16 | low_part(first));
    const __m256i ab_low = _mm256_unpacklo_epi8(a, b), ab_high = _mm256_unpackhi_epi8(a, b);
    const __m256i pairs[4] = {_mm256_unpacklo_epi8(ab_low, zero), _mm256_unpackhi_epi8(ab_low, zero),
                              _mm256_unpacklo_epi8(ab_high, zero), _mm256_unpackhi_epi8(ab_high, zero)};
    for (int q = 0; q < 4; ++q) {
      high[q] = _mm256_add_epi32(high[q], _mm256_madd_epi16(pairs[q], weights_high));
      low[q] = _mm256_add_epi32(low[q], _mm256_madd_epi16(pairs[q], weights_low));
    }
  }
  return _mm256_packus_epi16(
      _mm256_packs_epi32(to_bytes_scaled(high[0], low[0]), to_bytes_scaled(high[1], low[1])),
      _mm256_packs_epi32(to_bytes_scaled(high[2], low[2]), to_bytes_scaled(high[3], low[3])));
}

VITRAIL_AVX2 void down(const RowsIn& in, const Taps& taps, std::size_t bytes, const RowsOut& out) {
  for (int y = 0; y < taps.outputs(); ++y) {
    const std::uint8_t* row =
        in.first + static_cast<std::size_t>(taps.first[static_cast<std::size_t>(y)]) * in.stride;
    std::uint8_t* target = out.first + static_cast<std::size_t>(y) * out.stride;
    for (std::size_t x = 0; x < bytes; x += 32) {
      const __m256i result = down_bytes(row + x, in.stride, taps.weights_of(y), taps.taps);
      if (x + 32 <= bytes) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(target + x), result);
      } else {
        std::uint8_t last[32];
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(last), result);
        std::memcpy(target + x, last, bytes - x);
      }
    }
  }
}

constexpr ResizeKernels kAvx2{"avx2", across, down};

}  // namespace

const ResizeKernels* avx2_resize_kernels() { return __builtin_cpu_supports("avx2") ? &kAvx2 : nullptr; }

}  // namespace vitrail::datasets

#else

namespace vitrail::datasets {
const ResizeKernels* avx2_resize_kernels() { return nullptr; }
}  // namespace vitrail::datasets

#endif
