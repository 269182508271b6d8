#include "datasets/pixels/byte_table.hpp"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace vitrail::datasets {
namespace {

#ifdef __x86_64__
constexpr std::size_t kAtOnce = 64;

// Returns how many bytes are done: all but the last few.
__attribute__((target("avx512bw,avx512vbmi"))) std::size_t by_vector(const ByteTable& table,
                                                                     std::span<std::uint8_t> bytes) {
  __m512i part[4];
  for (std::size_t i = 0; i < 4; ++i) part[i] = _mm512_loadu_si512(table.data() + i * kAtOnce);
  std::size_t i = 0;
  for (; i + kAtOnce <= bytes.size(); i += kAtOnce) {
    const __m512i values = _mm512_loadu_si512(bytes.data() + i);
    const __m512i low = _mm512_permutex2var_epi8(part[0], values, part[1]);
    const __m512i high = _mm512_permutex2var_epi8(part[2], values, part[3]);
    _mm512_storeu_si512(bytes.data() + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), low, high));
  }
  return i;
}

bool has_vectors() {
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vbmi") != 0;
}
#else
std::size_t by_vector(const ByteTable&, std::span<std::uint8_t>) { return 0; }
bool has_vectors() { return false; }
#endif

}  // namespace

void look_up_one_by_one(const ByteTable& table, std::span<std::uint8_t> bytes) {
  for (std::uint8_t& byte : bytes) byte = table[byte];
}

void look_up(const ByteTable& table, std::span<std::uint8_t> bytes) {
  look_up_one_by_one(table, bytes.subspan(has_vectors() ? by_vector(table, bytes) : 0));
}

}  // namespace vitrail::datasets
