#include "datasets/codec/colour_rows.hpp"

#include <algorithm>
#include <array>

#include "datasets/pixels/simd_clones.hpp"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace vitrail::datasets {
namespace {

// 3 near + far, both rows of bytes.
VITRAIL_SIMD_CLONES void add_rows(const std::uint8_t* near, const std::uint8_t* far, int count,
                                  std::uint16_t* sums) {
  for (int i = 0; i < count; ++i) sums[i] = static_cast<std::uint16_t>(3 * near[i] + far[i]);
}

VITRAIL_SIMD_CLONES void copy_row(const std::uint8_t* near, int count, std::uint16_t* sums) {
  for (int i = 0; i < count; ++i) sums[i] = near[i];
}

// Two bytes for each of `count` sums, which have a neighbour on each side; roundings alternate as libjpeg's.
VITRAIL_SIMD_CLONES void widen(const std::uint16_t* sums, int count, int even, int odd, int shift,
                               std::uint8_t* out) {
  for (int i = 0; i < count; ++i) {
    const int middle = 3 * sums[i];
    out[2 * i] = static_cast<std::uint8_t>((middle + sums[i - 1] + even) >> shift);
    out[2 * i + 1] = static_cast<std::uint8_t>((middle + sums[i + 1] + odd) >> shift);
  }
}

#ifdef __x86_64__
#define VITRAIL_AVX2 __attribute__((target("avx2")))

constexpr int kAtOnce = 16;

struct Planes {
  __m128i red, green, blue;
};

VITRAIL_AVX2 inline __m128i bytes_of(__m256i values) {
  return _mm_packus_epi16(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
}

// Products with 1.402, 0.344, 0.714 and 1.772 in 16 bits of fraction, rounded as libjpeg's 32-bit tables are:
// of 1.402 and 1.772 only what lies beyond 1 and 2 is multiplied, twice and then halved.
VITRAIL_AVX2 inline Planes convert(__m128i y_bytes, __m128i cb_bytes, __m128i cr_bytes) {
  constexpr int k0402 = 26345, k0228 = 14942, k0344 = 22554, k0286 = 18734, kHalf = 1 << 15;
  const __m256i middle = _mm256_set1_epi16(128), one = _mm256_set1_epi16(1);
  const __m256i y = _mm256_cvtepu8_epi16(y_bytes);
  const __m256i cb = _mm256_sub_epi16(_mm256_cvtepu8_epi16(cb_bytes), middle);
  const __m256i cr = _mm256_sub_epi16(_mm256_cvtepu8_epi16(cr_bytes), middle);
  const __m256i cb2 = _mm256_add_epi16(cb, cb), cr2 = _mm256_add_epi16(cr, cr);
  const __m256i beyond1 =
      _mm256_srai_epi16(_mm256_add_epi16(_mm256_mulhi_epi16(cr2, _mm256_set1_epi16(k0402)), one), 1);
  const __m256i beyond2 =
      _mm256_srai_epi16(_mm256_add_epi16(_mm256_mulhi_epi16(cb2, _mm256_set1_epi16(-k0228)), one), 1);
  const __m256i by = _mm256_set1_epi32(k0286 * 65536 + (65536 - k0344));
  const __m256i half = _mm256_set1_epi32(kHalf);
  const __m256i green_low =
      _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(cb, cr), by), half), 16);
  const __m256i green_high =
      _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(cb, cr), by), half), 16);
  const __m256i green = _mm256_sub_epi16(_mm256_packs_epi32(green_low, green_high), cr);
  return {bytes_of(_mm256_add_epi16(y, _mm256_add_epi16(cr, beyond1))), bytes_of(_mm256_add_epi16(y, green)),
          bytes_of(_mm256_add_epi16(y, _mm256_add_epi16(cb2, beyond2)))};
}

// Where byte `i` of the interleaved ones comes from, if from channel c; else a place that gives zero.
constexpr auto kInterleave = [] {
  std::array<std::array<std::array<std::int8_t, 16>, 3>, 3> places{};
  for (std::size_t part = 0; part < 3; ++part) {
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t at = 16 * part + i;
        places[part][c][i] = at % 3 == c ? static_cast<std::int8_t>(at / 3) : std::int8_t{-1};
      }
    }
  }
  return places;
}();

VITRAIL_AVX2 inline __m128i load(const void* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(bytes));
}

VITRAIL_AVX2 inline void store(const Planes& planes, std::uint8_t* rgb) {
  for (std::size_t part = 0; part < 3; ++part) {
    const auto& places = kInterleave[part];
    const __m128i red = _mm_shuffle_epi8(planes.red, load(places[0].data()));
    const __m128i green = _mm_shuffle_epi8(planes.green, load(places[1].data()));
    const __m128i blue = _mm_shuffle_epi8(planes.blue, load(places[2].data()));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb) + part, _mm_or_si128(_mm_or_si128(red, green), blue));
  }
}

VITRAIL_AVX2 void by_sixteen(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, int count,
                             std::uint8_t* rgb) {
  for (int i = 0; i < count; i += kAtOnce, rgb += 3 * kAtOnce) {
    const __m128i light = load(y + i);
    store(cb == nullptr ? Planes{light, light, light} : convert(light, load(cb + i), load(cr + i)), rgb);
  }
}
#endif

}  // namespace

void ChromaRow::interpolate(const std::uint8_t* near, const std::uint8_t* far, int first, int last,
                            int count) {
  const int wanted = last - first;
  const auto size = static_cast<std::size_t>(wanted) + 2;
  if (sums_.size() < size) {
    sums_.resize(size);
    out_.resize(2 * size + kColourSpare);
  }
  first_ = first;
  const int before = first > 0 ? 1 : 0, after = last < count ? 1 : 0;
  std::uint16_t* const sums = sums_.data() + 1;  // of sample `first`
  if (far != nullptr) {
    add_rows(near - before, far - before, before + wanted + after, sums - before);
  } else {
    copy_row(near - before, before + wanted + after, sums - before);
  }
  if (before == 0) sums[-1] = sums[0];
  if (after == 0) sums[wanted] = sums[wanted - 1];
  far != nullptr ? widen(sums, wanted, 8, 7, 4, out_.data()) : widen(sums, wanted, 1, 2, 2, out_.data());
}

#ifdef __x86_64__
void to_rgb(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, int count,
            std::uint8_t* rgb) {
  by_sixteen(y, cb, cr, count, rgb);
}
#else
void to_rgb(const std::uint8_t*, const std::uint8_t*, const std::uint8_t*, int, std::uint8_t*) {}
#endif

}  // namespace vitrail::datasets
