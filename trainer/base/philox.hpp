// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11; Random123's implementation).
// A stream is a pure function of (seed, purpose, when, id, sub): epoch or step, sample or lane, copy or
// layer. Nothing about ranks, threads or time enters, so every rank can draw any stream at any moment.
#pragma once

#include <array>
#include <cstdint>

namespace vitrail {

// Part of every key, so the values are part of what a seed means: append, never reorder.
enum class Purpose : std::uint8_t {
  init = 1,
  shuffle = 2,
  augment = 3,
  mixing = 4,
  drop_path = 5,
  test = 6,
  synthetic = 7,
  further_view = 8,
  extents = 16,
  window = 17,
  replacement = 18,
  subset = 19,
  patch_mask = 20,
  sweep = 24,
  dropout = 25,
};

struct PhiloxStart;  // philox_block.hpp

class Philox {
 public:
  // Throws Error(refused) when `when` or `id` exceed 2^40 - 1 or `sub` exceeds 2^16 - 1.
  Philox(std::uint64_t seed, Purpose purpose, std::uint64_t when, std::uint64_t id, std::uint32_t sub = 0);

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  double uniform();                         // [0, 1), 53 bits
  double uniform(double low, double high);  // [low, high)
  std::uint64_t below(std::uint64_t n);     // 0 .. n-1 without bias; n >= 1
  double normal();                          // mean 0, variance 1 (Box-Muller, one of the pair)
  double gamma(double shape);               // scale 1 (Marsaglia and Tsang, 2000)
  double beta(double a, double b);          // from two gammas

  PhiloxStart start() const;  // of what has not been drawn yet, from a whole block on

  // Moves to 32-bit draw number `draw` of this stream, in O(1); draws are numbered from 0, below 2^26.
  void seek(std::uint64_t draw);

 private:
  void refill();

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;  // words of block_ already given out
};

}  // namespace vitrail
