#include "datasets/source_listing.hpp"

#include <algorithm>
#include <numeric>
#include <span>

#include <fmt/format.h>

#include "trainer/base/hash.hpp"

namespace vitrail::datasets {

void Listing::add(const SourceItem& item) {
  keys_ += item.key;
  key_end_.push_back(keys_.size());
  bytes_.push_back(item.bytes);
  place_.push_back(item.place);
  label_.push_back(item.label);
  flaw_.push_back(item.flaw);
}

void Listing::append(const Listing& other, std::uint32_t label) {
  for (const std::uint64_t end : other.key_end_) key_end_.push_back(keys_.size() + end);
  keys_ += other.keys_;
  bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
  place_.insert(place_.end(), other.place_.begin(), other.place_.end());
  label_.insert(label_.end(), other.size(), label);
  flaw_.insert(flaw_.end(), other.flaw_.begin(), other.flaw_.end());
}

void Listing::reserve(std::size_t items, std::size_t key_bytes) {
  keys_.reserve(key_bytes);
  key_end_.reserve(items);
  bytes_.reserve(items);
  place_.reserve(items);
  label_.reserve(items);
  flaw_.reserve(items);
}

std::string_view Listing::key(std::size_t i) const {
  const std::uint64_t begin = i == 0 ? 0 : key_end_[i - 1];
  return std::string_view(keys_).substr(begin, key_end_[i] - begin);
}

SourceItem Listing::item(std::size_t i) const {
  return {std::string(key(i)), label_[i], bytes_[i], place_[i], flaw_[i]};
}

std::uint64_t Listing::total_bytes() const {
  return std::accumulate(bytes_.begin(), bytes_.end(), std::uint64_t{0});
}

std::uint64_t Listing::longest_key() const {
  std::uint64_t longest = 1;
  for (std::size_t i = 0; i < size(); ++i) longest = std::max<std::uint64_t>(longest, key(i).size());
  return longest;
}

std::string Listing::hash() const {
  Hasher hasher;
  for (std::size_t i = 0; i < size(); ++i) {
    const std::string line = fmt::format("{}\n{} {}\n", key(i), label_[i], bytes_[i]);
    hasher.update(std::as_bytes(std::span(line)));
  }
  return hasher.digest().hex();
}

}  // namespace vitrail::datasets
