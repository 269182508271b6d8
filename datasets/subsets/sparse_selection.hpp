// Some of a data set's samples: a bit for each, and the n-th of them by a look-up and a few words.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace vitrail::datasets {

// add() what belongs to it, in any order, then close().
class SparseSelection {
 public:
  explicit SparseSelection(std::int64_t size) : words_((static_cast<std::size_t>(size) + 63) / 64) {}

  void add(std::int64_t number) {
    words_[static_cast<std::size_t>(number) / 64] |= std::uint64_t{1} << (number % 64);
  }
  void close() {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (i % kBlock == 0) before_.push_back(count_);
      count_ += std::popcount(words_[i]);
    }
  }
  std::int64_t count() const { return count_; }
  std::int64_t nth(std::int64_t n) const {
    const auto block = std::ranges::upper_bound(before_, n) - before_.begin() - 1;
    std::int64_t left = n - before_[static_cast<std::size_t>(block)];
    for (auto i = static_cast<std::size_t>(block) * kBlock;; ++i) {
      std::uint64_t word = words_[i];
      const std::int64_t here = std::popcount(word);
      if (left >= here) {
        left -= here;
        continue;
      }
      for (; left > 0; --left) word &= word - 1;
      return static_cast<std::int64_t>(i) * 64 + std::countr_zero(word);
    }
  }

 private:
  static constexpr std::size_t kBlock = 8;  // words
  std::vector<std::uint64_t> words_;
  std::vector<std::int64_t> before_;  // numbers before each block
  std::int64_t count_ = 0;
};

}  // namespace vitrail::datasets
