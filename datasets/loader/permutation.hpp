// A permutation of 0 .. n-1 as a pure function of its key, in O(1) memory and time: a Feistel network on the
// mixed-radix square a x b >= n whose round functions are single Philox draws; the few results >= n (fewer
// than sqrt(n) + 1) are sent through again until they fall inside (cycle walking), which keeps it a
// bijection. Source: Black and Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002.
#pragma once

#include <cstdint>

#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

class Permutation {
 public:
  struct Key {
    std::uint64_t seed = 0;
    Purpose purpose = Purpose::shuffle;
    std::uint64_t epoch = 0;
    std::uint64_t id = 0;  // which one of the epoch; n <= 2^24 where there are several
  };

  Permutation(const Key& key, std::uint64_t n);  // n >= 1

  std::uint64_t at(std::uint64_t value) const;

 private:
  std::uint64_t once(std::uint64_t value) const;  // bijection of 0 .. rows_ * columns_ - 1

  Key key_;
  std::uint64_t n_, rows_, columns_;
};

}  // namespace vitrail::datasets
