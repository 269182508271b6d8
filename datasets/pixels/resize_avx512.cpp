#include "datasets/pixels/resize_x86.hpp"

#ifdef __x86_64__

#include <algorithm>
#include <array>
#include <cstring>

// GCC 12 takes the values that its own AVX-512 header leaves undefined on purpose for mistakes.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

// The dot product of four unsigned and four signed bytes: a weight is three signed digits of base 256.
#define VITRAIL_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")))

namespace vitrail::datasets {
namespace {

constexpr int kGroup = 4;    // taps of one dot product
constexpr int kOutputs = 4;  // pixels made at once, from 64 bytes of a row
constexpr int kBytes = 64;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

// Lowest first, each in [-128, 127].
std::array<std::int8_t, 3> digits_of(std::int32_t weight) {
  std::array<std::int8_t, 3> digits{};
  for (std::int8_t& digit : digits) {
    digit = static_cast<std::int8_t>(static_cast<std::uint8_t>(weight & 255));
    weight = (weight - digit) >> 8;
  }
  return digits;
}

// How kOutputs pixels come from 64 bytes at pixel `first`: for each group of taps, which byte goes to each
// place (pixel, channel, tap) and its weight's digits. 256 bytes a group.
struct Quad {
  int first = 0;
  bool fits = true;
};

Quad plan_quad(const Taps& taps, int i, std::int8_t* plan) {
  const int count = std::min(kOutputs, taps.outputs() - i);
  const auto begin = taps.first.begin() + i;
  Quad quad{*std::min_element(begin, begin + count), true};
  quad.fits = (*std::max_element(begin, begin + count) + taps.taps - quad.first) * 3 <= kBytes;
  if (!quad.fits) return quad;
  for (int k = 0; k < taps.taps; ++k) {
    std::int8_t* group = plan + k / kGroup * 4 * kBytes;
    for (int j = 0; j < count; ++j) {
      const auto digits = digits_of(taps.weights_of(i + j)[k]);
      for (int c = 0; c < 3; ++c) {
        const int place = (j * 4 + c) * kGroup + k % kGroup;
        group[place] = static_cast<std::int8_t>((begin[j] - quad.first + k) * 3 + c);
        for (int d = 0; d < 3; ++d) group[(1 + d) * kBytes + place] = digits[static_cast<std::size_t>(d)];
      }
    }
  }
  return quad;
}

VITRAIL_AVX512 __m512i load(const void* bytes) { return _mm512_loadu_si512(bytes); }

// Four pixels of each row. The sum of highest digits is shifted under the next: ((high * 256) + middle) * 256
// + low, and begins with the half that rounds.
template <int kGroups>
VITRAIL_AVX512 void across_quad(const RowsIn& in, const std::int8_t* plan, std::uint8_t* out,
                                std::size_t stride) {
  __m512i places[kGroups], low[kGroups], middle[kGroups], high[kGroups];
  for (int g = 0; g < kGroups; ++g, plan += 4 * kBytes) {
    places[g] = load(plan);
    low[g] = load(plan + kBytes);
    middle[g] = load(plan + 2 * kBytes);
    high[g] = load(plan + 3 * kBytes);
  }
  const __m128i to_rgb = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  const std::uint8_t* row = in.first;
  for (int y = 0; y < in.count; ++y, row += in.stride, out += stride) {
    const __m512i bytes = load(row);
    __m512i pixels[kGroups];
    __m512i sum = _mm512_set1_epi32(kHalf >> 16);
    for (int g = 0; g < kGroups; ++g) {
      pixels[g] = _mm512_permutexvar_epi8(places[g], bytes);
      sum = _mm512_dpbusd_epi32(sum, pixels[g], high[g]);
    }
    sum = _mm512_slli_epi32(sum, 8);
    for (int g = 0; g < kGroups; ++g) sum = _mm512_dpbusd_epi32(sum, pixels[g], middle[g]);
    sum = _mm512_slli_epi32(sum, 8);
    for (int g = 0; g < kGroups; ++g) sum = _mm512_dpbusd_epi32(sum, pixels[g], low[g]);
    sum = _mm512_max_epi32(_mm512_srai_epi32(sum, kWeightBits), _mm512_setzero_si512());
    const __m128i rgb = _mm_shuffle_epi8(_mm512_cvtusepi32_epi8(sum), to_rgb);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), rgb);  // the last four bytes are overwritten
  }
}

void across(const RowsIn& in, const Taps& taps, std::vector<std::int16_t>& scratch, const RowsOut& out) {
  constexpr int kMostGroups = 3;
  const int groups = taps.taps / kGroup;
  const auto slow = [&] { avx2_resize_kernels()->across(in, taps, scratch, out); };
  if (taps.taps % kGroup != 0 || groups < 1 || groups > kMostGroups) return slow();
  alignas(kBytes) std::array<std::int8_t, std::size_t{kMostGroups} * 4 * kBytes> plan;
  for (int i = 0; i < taps.outputs(); i += kOutputs) {
    plan.fill(0);
    const Quad quad = plan_quad(taps, i, plan.data());
    if (!quad.fits) return slow();  // from the beginning: scales this large are rare
    const RowsIn from{in.first + std::ptrdiff_t{quad.first} * 3, in.stride, in.count};
    const auto run = groups == 1 ? across_quad<1> : groups == 2 ? across_quad<2> : across_quad<3>;
    run(from, plan.data(), out.first + std::ptrdiff_t{i} * 3, out.stride);
  }
}

// Weights of rows k .. k + 3, one digit each, for every column.
VITRAIL_AVX512 __m512i down_digits(const std::int32_t* weights, int k, int taps, std::size_t digit) {
  std::uint32_t four = 0;
  for (int r = 0; r < kGroup && k + r < taps; ++r) {
    four |= std::uint32_t{static_cast<std::uint8_t>(digits_of(weights[k + r])[digit])} << (8 * r);
  }
  return _mm512_set1_epi32(static_cast<std::int32_t>(four));
}

VITRAIL_AVX512 __m512i total(__m512i low, __m512i middle, __m512i high) {
  const __m512i upper = _mm512_add_epi32(_mm512_slli_epi32(high, 16), _mm512_slli_epi32(middle, 8));
  return _mm512_srai_epi32(_mm512_add_epi32(upper, low), kWeightBits);
}

constexpr int kMostDown = 4;  // groups of rows whose weights stay in registers

template <int kGroups>
VITRAIL_AVX512 void down_row(const std::uint8_t* in, std::size_t stride, const std::int32_t* weights,
                             int taps, std::size_t bytes, std::uint8_t* out) {
  __m512i digits[kGroups][3];
  for (int g = 0; g < kGroups; ++g) {
    for (std::size_t d = 0; d < 3; ++d) digits[g][d] = down_digits(weights, g * kGroup, taps, d);
  }
  for (std::size_t x = 0; x < bytes; x += kBytes) {
    __m512i low[4], middle[4], high[4];
    for (int q = 0; q < 4; ++q) {
      low[q] = _mm512_set1_epi32(kHalf);
      middle[q] = high[q] = _mm512_setzero_si512();
    }
    for (int g = 0; g < kGroups; ++g) {
      const std::uint8_t* row[kGroup];  // a row that is not there has weight 0
      for (int r = 0; r < kGroup; ++r) {
        row[r] = in + static_cast<std::size_t>(std::min(g * kGroup + r, taps - 1)) * stride + x;
      }
      const __m512i a = load(row[0]), b = load(row[1]), c = load(row[2]), d = load(row[3]);
      const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
      const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
      const __m512i columns[4] = {
          _mm512_unpacklo_epi16(ab_low, cd_low), _mm512_unpackhi_epi16(ab_low, cd_low),
          _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_unpackhi_epi16(ab_high, cd_high)};
      for (int q = 0; q < 4; ++q) {
        low[q] = _mm512_dpbusd_epi32(low[q], columns[q], digits[g][0]);
        middle[q] = _mm512_dpbusd_epi32(middle[q], columns[q], digits[g][1]);
        high[q] = _mm512_dpbusd_epi32(high[q], columns[q], digits[g][2]);
      }
    }
    const __m512i result = _mm512_packus_epi16(
        _mm512_packs_epi32(total(low[0], middle[0], high[0]), total(low[1], middle[1], high[1])),
        _mm512_packs_epi32(total(low[2], middle[2], high[2]), total(low[3], middle[3], high[3])));
    const std::size_t left = std::min<std::size_t>(bytes - x, kBytes);
    _mm512_mask_storeu_epi8(out + x, ~__mmask64{0} >> (kBytes - left), result);
  }
}

void down(const RowsIn& in, const Taps& taps, std::size_t bytes, const RowsOut& out) {
  const int groups = (taps.taps + kGroup - 1) / kGroup;
  if (groups > kMostDown) return avx2_resize_kernels()->down(in, taps, bytes, out);
  const auto run = groups == 1   ? down_row<1>
                   : groups == 2 ? down_row<2>
                   : groups == 3 ? down_row<3>
                                 : down_row<4>;
  for (int y = 0; y < taps.outputs(); ++y) {
    run(in.first + static_cast<std::size_t>(taps.first[static_cast<std::size_t>(y)]) * in.stride, in.stride,
        taps.weights_of(y), taps.taps, bytes, out.first + static_cast<std::size_t>(y) * out.stride);
  }
}

constexpr ResizeKernels kAvx512{"avx512-vnni", across, down};

bool is_there() {
  return avx2_resize_kernels() != nullptr && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512vnni");
}

}  // namespace

const ResizeKernels* avx512_resize_kernels() { return is_there() ? &kAvx512 : nullptr; }

}  // namespace vitrail::datasets

#else

namespace vitrail::datasets {
const ResizeKernels* avx512_resize_kernels() { return nullptr; }
}  // namespace vitrail::datasets

#endif
