#include "datasets/codec/inverse_dct.hpp"

#ifdef __x86_64__

#include <immintrin.h>

#define VITRAIL_AVX2 __attribute__((target("avx2")))

namespace vitrail::datasets {
namespace {

using Vector = __m256i;  // of 16 values: 8 of each block
struct Rows {
  Vector at[8];
  Vector& operator[](std::size_t i) { return at[i]; }
  const Vector& operator[](std::size_t i) const { return at[i]; }
};

constexpr int kFraction = 13, kExtra = 2;  // bits; the second are kept from the first pass to the second

// 0.298631336, 0.390180644, 0.541196100 and so on, with that fraction.
constexpr int k0298 = 2446, k0390 = 3196, k0541 = 4433, k0765 = 6270, k0899 = 7373, k1175 = 9633,
              k1501 = 12299, k1847 = 15137, k1961 = 16069, k2053 = 16819, k2562 = 20995, k3072 = 25172;

// 32-bit values of each block's first four lanes and its last four.
struct Wide {
  Vector low, high;
};

VITRAIL_AVX2 inline Wide operator+(const Wide& a, const Wide& b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
VITRAIL_AVX2 inline Wide operator-(const Wide& a, const Wide& b) {
  return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}

// a * by_a + b * by_b
template <int by_a, int by_b>
VITRAIL_AVX2 inline Wide turned(Vector a, Vector b) {
  const Vector by = _mm256_set1_epi32(
      static_cast<int>(static_cast<unsigned>(by_b) << 16 | (static_cast<unsigned>(by_a) & 0xffffU)));
  return {_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), by),
          _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), by)};
}

VITRAIL_AVX2 inline Wide with_fraction(Vector a) {
  const Vector zero = _mm256_setzero_si256();
  return {_mm256_srai_epi32(_mm256_unpacklo_epi16(zero, a), 16 - kFraction),
          _mm256_srai_epi32(_mm256_unpackhi_epi16(zero, a), 16 - kFraction)};
}

template <int kShift>
VITRAIL_AVX2 inline Vector rounded(const Wide& a) {
  const Vector half = _mm256_set1_epi32(1 << (kShift - 1));
  return _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(a.low, half), kShift),
                            _mm256_srai_epi32(_mm256_add_epi32(a.high, half), kShift));
}

// Eight transforms of 8 values each: value i of all of them in in[i].
template <int kShift>
VITRAIL_AVX2 inline Rows pass(const Rows& in) {
  const Wide even2 = turned<k0541, k0541 - k1847>(in[2], in[6]);
  const Wide even3 = turned<k0541 + k0765, k0541>(in[2], in[6]);
  const Wide sum = with_fraction(_mm256_add_epi16(in[0], in[4]));
  const Wide difference = with_fraction(_mm256_sub_epi16(in[0], in[4]));
  const Wide even[4] = {sum + even3, difference + even2, difference - even2, sum - even3};

  const Vector z3 = _mm256_add_epi16(in[7], in[3]), z4 = _mm256_add_epi16(in[5], in[1]);
  const Wide turned3 = turned<k1175 - k1961, k1175>(z3, z4), turned4 = turned<k1175, k1175 - k0390>(z3, z4);
  const Wide odd[4] = {turned<k1501 - k0899, -k0899>(in[1], in[7]) + turned4,
                       turned<k3072 - k2562, -k2562>(in[3], in[5]) + turned3,
                       turned<k2053 - k2562, -k2562>(in[5], in[3]) + turned4,
                       turned<k0298 - k0899, -k0899>(in[7], in[1]) + turned3};
  Rows out;
  for (std::size_t i = 0; i < 4; ++i) {
    out[i] = rounded<kShift>(even[i] + odd[i]);
    out[7 - i] = rounded<kShift>(even[i] - odd[i]);
  }
  return out;
}

VITRAIL_AVX2 inline Rows transposed(const Rows& in) {
  Rows a, b;
  for (std::size_t i = 0; i < 4; ++i) {  // 04 15 26 37
    a[2 * i] = _mm256_unpacklo_epi16(in[i], in[i + 4]);
    a[2 * i + 1] = _mm256_unpackhi_epi16(in[i], in[i + 4]);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    b[2 * i] = _mm256_unpacklo_epi16(a[i], a[i + 4]);
    b[2 * i + 1] = _mm256_unpackhi_epi16(a[i], a[i + 4]);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_epi16(b[i], b[i + 4]);
    a[2 * i + 1] = _mm256_unpackhi_epi16(b[i], b[i + 4]);
  }
  return a;
}

VITRAIL_AVX2 inline void store(Vector rows, std::uint8_t* first, std::size_t stride, bool of_second) {
  const __m128i two = of_second ? _mm256_extracti128_si256(rows, 1) : _mm256_castsi256_si128(rows);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(first), two);
  _mm_storeh_pd(reinterpret_cast<double*>(first + stride), _mm_castsi128_pd(two));
}

VITRAIL_AVX2 inline Vector load(const BlockPair& pair, std::size_t row) {
  return _mm256_load_si256(reinterpret_cast<const Vector*>(pair.values.data() + 16 * row));
}

VITRAIL_AVX2 void transform(const BlockPair& pair, const BlockPair& quantisation, std::uint8_t* const out[2],
                            const std::size_t stride[2]) {
  Rows rows;
  for (std::size_t i = 0; i < 8; ++i) {
    rows[i] = _mm256_mullo_epi16(load(pair, i), load(quantisation, i));
  }
  rows = pass<kFraction - kExtra>(rows);
  const Rows columns = pass<kFraction + kExtra + 3>(transposed(rows));

  const Vector middle = _mm256_set1_epi8(-128);
  Vector bytes[4];  // columns i and i + 4
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = _mm256_add_epi8(_mm256_packs_epi16(columns[i], columns[i + 4]), middle);
  }
  const Vector c01 = _mm256_unpacklo_epi8(bytes[0], bytes[1]), c45 = _mm256_unpackhi_epi8(bytes[0], bytes[1]);
  const Vector c23 = _mm256_unpacklo_epi8(bytes[2], bytes[3]), c67 = _mm256_unpackhi_epi8(bytes[2], bytes[3]);
  const Vector left[2] = {_mm256_unpacklo_epi16(c01, c23), _mm256_unpackhi_epi16(c01, c23)};
  const Vector right[2] = {_mm256_unpacklo_epi16(c45, c67), _mm256_unpackhi_epi16(c45, c67)};
  for (std::size_t i = 0; i < 4; ++i) {
    const Vector two = i % 2 == 0 ? _mm256_unpacklo_epi32(left[i / 2], right[i / 2])
                                  : _mm256_unpackhi_epi32(left[i / 2], right[i / 2]);
    store(two, out[0] + 2 * i * stride[0], stride[0], false);
    store(two, out[1] + 2 * i * stride[1], stride[1], true);
  }
}

}  // namespace

bool has_inverse_dct() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"); }

void inverse_dct(const BlockPair& pair, const BlockPair& quantisation, std::uint8_t* const out[2],
                 const std::size_t stride[2]) {
  transform(pair, quantisation, out, stride);
}

}  // namespace vitrail::datasets

#else

namespace vitrail::datasets {
bool has_inverse_dct() { return false; }
void inverse_dct(const BlockPair&, const BlockPair&, std::uint8_t* const[2], const std::size_t[2]) {}
}  // namespace vitrail::datasets

#endif
