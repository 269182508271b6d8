#include "datasets/pixels/normalise.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::size_t kStreamFrom = 96 * 96;  // pixels; smaller pictures may be looked at again while cached

// Pixels [begin, end) of planes that are `plane` floats apart.
void by_table(const NormalisedBytes& table, const std::uint8_t* rgb, std::size_t begin, std::size_t end,
              std::size_t plane, float* out) {
  for (std::size_t i = begin; i < end; ++i) {
    for (std::size_t c = 0; c < 3; ++c) out[c * plane + i] = table[c][rgb[3 * i + c]];
  }
}

// A division by a constant as two products: its inverse is a sum of two floats. For 256 values one can try
// that the rounded result is the quotient's.
struct Inverse {
  float high, low;
  constexpr explicit Inverse(float divisor)
      : high(static_cast<float>(1.0 / static_cast<double>(divisor))),
        low(static_cast<float>(1.0 / static_cast<double>(divisor) - static_cast<double>(high))) {}

  float times(float x) const { return std::fma(x, high, x * low); }
};
constexpr Inverse kByte(255.0F);

#ifdef __x86_64__
constexpr std::size_t kAtOnce = 8, kRead = 28;  // pixels; bytes read for them

__attribute__((target("avx2,fma"))) __m256 over(__m256 x, const Inverse& inverse) {
  return _mm256_fmadd_ps(x, _mm256_set1_ps(inverse.high), _mm256_mul_ps(x, _mm256_set1_ps(inverse.low)));
}

// Past the caches: a batch is larger than they are, and lines that are written whole need not be read first.
__attribute__((target("avx2"))) void stream(float* place, __m256 values) {
  _mm_stream_ps(place, _mm256_castps256_ps128(values));
  _mm_stream_ps(place + 4, _mm256_extractf128_ps(values, 1));
}

// Eight pixels at a time as far as whole loads reach; returns how many pixels that were.
template <bool kStream>
__attribute__((target("avx2,fma"))) std::size_t by_vector(const ChannelFloats& mean,
                                                          const ChannelFloats& deviation,
                                                          const std::uint8_t* rgb, std::size_t count,
                                                          std::size_t plane, float* out) {
  const __m256i first = _mm256_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1,  //
                                         0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
  const std::array<Inverse, 3> inverse = {Inverse(deviation[0]), Inverse(deviation[1]),
                                          Inverse(deviation[2])};
  std::size_t i = 0;
  for (; 3 * i + kRead <= 3 * count; i += kAtOnce) {
    const auto* source = reinterpret_cast<const __m128i*>(rgb + 3 * i);
    const auto* second = reinterpret_cast<const __m128i*>(rgb + 3 * i + 12);
    const __m256i bytes =
        _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(source)), _mm_loadu_si128(second), 1);
    for (int c = 0; c < 3; ++c) {
      const auto channel = static_cast<std::size_t>(c);
      // Adding c to the place of a byte leaves the zeros (places with the top bit set) what they are.
      const __m256i places = _mm256_add_epi8(first, _mm256_set1_epi32(c));
      const __m256 share = over(_mm256_cvtepi32_ps(_mm256_shuffle_epi8(bytes, places)), kByte);
      const __m256 centred = _mm256_sub_ps(share, _mm256_set1_ps(mean[channel]));
      const __m256 values = over(centred, inverse[channel]);
      float* const place = out + channel * plane + i;
      kStream ? stream(place, values) : _mm256_storeu_ps(place, values);
    }
  }
  if (kStream) _mm_sfence();
  return i;
}

bool has_vectors() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
template <bool kStream>
std::size_t by_vector(const ChannelFloats&, const ChannelFloats&, const std::uint8_t*, std::size_t,
                      std::size_t, float*) {
  return 0;
}
bool has_vectors() { return false; }
#endif

}  // namespace

Normaliser::Normaliser(const Normalisation& normalisation) : vectors_(has_vectors()) {
  for (std::size_t c = 0; c < 3; ++c) {
    mean_[c] = static_cast<float>(normalisation.mean[c]);
    deviation_[c] = static_cast<float>(normalisation.deviation[c]);
    const Inverse inverse(deviation_[c]);
    for (std::size_t v = 0; v < 256; ++v) {
      const auto byte = static_cast<float>(v);
      table_[c][v] = (byte / 255.0F - mean_[c]) / deviation_[c];
      vectors_ = vectors_ && inverse.times(kByte.times(byte) - mean_[c]) == table_[c][v];
    }
  }
}

void Normaliser::apply(const Image& image, std::span<float> out) const {
  const std::size_t plane = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  if (out.size() != 3 * plane) {
    throw Error(ExitCode::crash, fmt::format("normalise: {} floats for an image of {}x{}", out.size(),
                                             image.width, image.height));
  }
  const auto address = reinterpret_cast<std::uintptr_t>(out.data());
  const bool streams = plane >= kStreamFrom && plane % 4 == 0 && address % 16 == 0;
  const std::size_t done =
      vectors_ ? (streams ? by_vector<true> : by_vector<false>)(mean_, deviation_, image.rgb.data(), plane,
                                                                plane, out.data())
               : 0;
  by_table(table_, image.rgb.data(), done, plane, plane, out.data());
}

std::uint8_t Normaliser::byte_of(float value, int channel) const {
  const auto c = static_cast<std::size_t>(channel);
  const float level = std::nearbyint((value * deviation_[c] + mean_[c]) * 255.0F);
  return static_cast<std::uint8_t>(std::clamp(level, 0.0F, 255.0F));
}

}  // namespace vitrail::datasets
