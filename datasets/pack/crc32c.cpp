#include "datasets/pack/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vitrail::datasets {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78U : crc >> 1;
    table[i] = crc;
  }
  return table;
}

constexpr auto kTable = make_table();

#if defined(__x86_64__)
// x^n mod P as carry-less multiplication of reflected numbers wants it.
constexpr std::uint64_t power_of_x(int n) {
  std::uint32_t value = 1;
  for (int i = 0; i < n; ++i) value = (value & 0x80000000U) != 0 ? (value << 1) ^ 0x1EDC6F41U : value << 1;
  std::uint32_t reflected = 0;
  for (int bit = 0; bit < 32; ++bit) reflected |= (value >> bit & 1) << (31 - bit);
  return std::uint64_t{reflected} << 1;
}

// For 128 bits that are moved `distance` bits towards the end of the message.
struct Fold {
  std::uint64_t low, high;
};
constexpr Fold fold_by(int distance) { return {power_of_x(distance + 32), power_of_x(distance - 32)}; }

__attribute__((target("avx512f,vpclmulqdq"))) inline __m512i folded(__m512i value, __m512i by, __m512i next) {
  const __m512i low = _mm512_clmulepi64_epi128(value, by, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(value, by, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, 0x96);  // exclusive or of all three
}

__attribute__((target("avx512f"))) inline __m512i in_all_lanes(Fold fold) {
  const auto low = static_cast<long long>(fold.low), high = static_cast<long long>(fold.high);
  return _mm512_set_epi64(high, low, high, low, high, low, high, low);
}

// 256 bytes a turn in four accumulators, which are then folded into the last 16 bytes of a shorter message
// with the same CRC. Source: Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
// Instruction, Intel 2009. `bytes` holds 256 or more, a multiple of 256; the state is before its inversion.
__attribute__((target("avx512f,vpclmulqdq,sse4.2"))) std::uint32_t crc32c_by_folding(
    std::span<const std::byte> bytes, std::uint32_t state) {
  static constexpr Fold kTurn = fold_by(2048), kNext = fold_by(512), kLane0 = fold_by(384),
                        kLane1 = fold_by(256), kLane2 = fold_by(128);
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  const __m512i turn = in_all_lanes(kTurn), next = in_all_lanes(kNext);
  __m512i a = _mm512_xor_si512(_mm512_loadu_si512(at),
                               _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state))));
  __m512i b = _mm512_loadu_si512(at + 64), c = _mm512_loadu_si512(at + 128), d = _mm512_loadu_si512(at + 192);
  for (at += 256; at != end; at += 256) {
    a = folded(a, turn, _mm512_loadu_si512(at));
    b = folded(b, turn, _mm512_loadu_si512(at + 64));
    c = folded(c, turn, _mm512_loadu_si512(at + 128));
    d = folded(d, turn, _mm512_loadu_si512(at + 192));
  }
  const __m512i all = folded(folded(folded(a, next, b), next, c), next, d);
  // The last lane stays where it is: it passes through as `rest`.
  const __m512i rest = _mm512_maskz_mov_epi64(0xC0, all);
  const auto signed_of = [](std::uint64_t v) { return static_cast<long long>(v); };
  const __m512i lanes =
      _mm512_set_epi64(0, 0, signed_of(kLane2.high), signed_of(kLane2.low), signed_of(kLane1.high),
                       signed_of(kLane1.low), signed_of(kLane0.high), signed_of(kLane0.low));
  alignas(64) std::uint64_t words[8];
  _mm512_store_si512(words, folded(all, lanes, rest));
  std::uint64_t crc = _mm_crc32_u64(0, words[0] ^ words[2] ^ words[4] ^ words[6]);
  crc = _mm_crc32_u64(crc, words[1] ^ words[3] ^ words[5] ^ words[7]);
  return static_cast<std::uint32_t>(crc);
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(std::span<const std::byte> bytes,
                                                                      std::uint32_t before) {
  std::uint64_t crc = ~before;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    crc = _mm_crc32_u64(crc, word);
  }
  auto tail = static_cast<std::uint32_t>(crc);
  for (const std::byte b : bytes) tail = _mm_crc32_u8(tail, static_cast<unsigned char>(b));
  return ~tail;
}
#endif

}  // namespace

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t before) {
  std::uint32_t crc = ~before;
  for (const std::byte b : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<std::uint32_t>(b)) & 0xff];
  return ~crc;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
#if defined(__x86_64__)
  if (bytes.size() >= 256 && __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f")) {
    const std::size_t whole = bytes.size() / 256 * 256;
    before = ~crc32c_by_folding(bytes.first(whole), ~before);
    bytes = bytes.subspan(whole);
  }
  if (__builtin_cpu_supports("sse4.2")) return crc32c_by_instruction(bytes, before);
#endif
  return crc32c_by_table(bytes, before);
}

}  // namespace vitrail::datasets
