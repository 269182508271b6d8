#include "models/weights/init.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <tuple>
#include <utility>

#include "trainer/base/hash.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::models {
namespace {

// Elements 2i and 2i+1 come from block i of a stream (two 53-bit uniforms). A stream has 2^24 blocks, so a
// large tensor takes a new one every 2^24 elements.
constexpr std::int64_t kStreamElements = std::int64_t{1} << 24;
constexpr std::uint64_t kDrawsPerPair = 4;

// `law(stream)` gives the two elements of a pair.
template <class Law>
void fill_pairs(Law law, Philox stream, std::int64_t begin, std::span<double> out) {
  stream.seek(static_cast<std::uint64_t>(begin / 2) * kDrawsPerPair);
  std::size_t i = 0;
  if (begin % 2 == 1) out[i++] = law(stream).second;
  for (; i + 1 < out.size(); i += 2) std::tie(out[i], out[i + 1]) = law(stream);
  if (i < out.size()) out[i] = law(stream).first;
}

template <class Law>
void fill_random(Law law, std::uint64_t seed, const std::string& name, std::int64_t begin,
                 std::span<double> out) {
  const std::uint64_t id = hash_text(name).low >> 24;  // 40 bits, a stream's room for an id
  while (!out.empty()) {
    const std::int64_t first = begin % kStreamElements;
    const auto count = std::min(out.size(), static_cast<std::size_t>(kStreamElements - first));
    const auto chunk = static_cast<std::uint64_t>(begin / kStreamElements);
    fill_pairs(law, Philox(seed, Purpose::init, chunk, id), first, out.first(count));
    begin += static_cast<std::int64_t>(count);
    out = out.subspan(count);
  }
}

double identity_at(std::int64_t index, const Init& init) {
  return index / init.extent == index % init.extent ? init.value : 0;
}

double neighbours_at(std::int64_t index, const Init& init) {
  const std::int64_t head = index / 3;
  const double centre = static_cast<double>(init.extent - 1) / 2;
  const std::int64_t row = head / init.extent, column = head % init.extent;
  const double x = static_cast<double>(row) - centre, y = static_cast<double>(column) - centre;
  return init.value * (index % 3 == 0 ? 2 * x : index % 3 == 1 ? 2 * y : -1);
}

// A quarter of the columns each: sines and cosines of x, then of y.
double waves_at(std::int64_t index, const Init& init) {
  const auto columns = static_cast<std::int64_t>(init.value), quarter = columns / 4;
  constexpr std::int64_t kLeading = 1;
  const std::int64_t place = index / columns - kLeading, column = index % columns;
  if (place < 0) return 0;
  const auto at = static_cast<double>(column < 2 * quarter ? place % init.extent : place / init.extent);
  const double share = static_cast<double>(column % quarter) / static_cast<double>(quarter);
  const double angle = at / std::pow(10000.0, share);
  return column / quarter % 2 == 0 ? std::sin(angle) : std::cos(angle);
}

template <class Law>
void fill_given(Law law, const Init& init, std::int64_t begin, std::span<double> out) {
  for (double& value : out) value = law(begin++, init);
}

}  // namespace

void fill_initial(const Init& init, std::uint64_t seed, const std::string& name, std::int64_t begin,
                  std::span<double> out) {
  switch (init.law) {
    case Init::Law::constant:
      std::fill(out.begin(), out.end(), init.value);
      return;
    case Init::Law::normal: {
      const auto box_muller = [deviation = init.value](Philox& stream) {
        const double radius = deviation * std::sqrt(-2.0 * std::log(1.0 - stream.uniform()));
        const double angle = 2.0 * std::numbers::pi * stream.uniform();
        return std::pair(radius * std::cos(angle), radius * std::sin(angle));
      };
      return fill_random(box_muller, seed, name, begin, out);
    }
    case Init::Law::uniform: {
      const auto symmetric = [bound = init.value](Philox& stream) {
        const double first = stream.uniform(-bound, bound);
        return std::pair(first, stream.uniform(-bound, bound));
      };
      return fill_random(symmetric, seed, name, begin, out);
    }
    case Init::Law::identity:
      return fill_given(identity_at, init, begin, out);
    case Init::Law::neighbours:
      return fill_given(neighbours_at, init, begin, out);
    case Init::Law::waves:
      return fill_given(waves_at, init, begin, out);
  }
}

}  // namespace vitrail::models
