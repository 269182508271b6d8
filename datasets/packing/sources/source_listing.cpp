#include "datasets/packing/sources/source_listing.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::size_t kMaxPartKeyBytes = std::size_t{1} << 31;  // so that 32 bits say where a key ends

}  // namespace

std::string_view Listing::Part::key(std::size_t row) const {
  const std::size_t begin = row == 0 ? 0 : key_end[row - 1];
  return std::string_view(keys).substr(begin, key_end[row] - begin);
}

void Listing::add(const SourceItem& item) {
  if (parts_.empty() || parts_.back().keys.size() > kMaxPartKeyBytes) {
    parts_.emplace_back();
    first_.push_back(first_.back());
  }
  Part& part = parts_.back();
  part.keys += item.key;
  part.key_end.push_back(static_cast<std::uint32_t>(part.keys.size()));
  part.label.push_back(item.label);
  part.bytes.push_back(item.bytes);
  part.place.push_back(item.place);
  part.flaw.push_back(item.flaw);
  ++first_.back();
}

void Listing::append(Listing&& other, std::uint32_t label) {
  for (Part& part : other.parts_) {
    std::ranges::fill(part.label, label);
    first_.push_back(first_.back() + part.label.size());
    parts_.push_back(std::move(part));
  }
  other = {};
}

void Listing::shrink() {
  for (Part& part : parts_) {
    part.keys.shrink_to_fit();
    part.key_end.shrink_to_fit();
    part.label.shrink_to_fit();
    part.bytes.shrink_to_fit();
    part.place.shrink_to_fit();
    part.flaw.shrink_to_fit();
  }
}

Listing::Place Listing::find(std::size_t i) const {
  const auto next = std::ranges::upper_bound(first_, i);
  const auto part = static_cast<std::size_t>(next - first_.begin()) - 1;
  return {parts_[part], i - first_[part]};
}

std::string_view Listing::key(std::size_t i) const {
  const Place place = find(i);
  return place.part.key(place.row);
}

SourceItem Listing::item(std::size_t i) const {
  const auto& [part, row] = find(i);
  return {std::string(part.key(row)), part.label[row], part.bytes[row], part.place[row], part.flaw[row]};
}

std::uint32_t Listing::label(std::size_t i) const {
  const auto& [part, row] = find(i);
  return part.label[row];
}

Flaw Listing::flaw(std::size_t i) const {
  const auto& [part, row] = find(i);
  return part.flaw[row];
}

std::uint64_t Listing::total_bytes() const {
  std::uint64_t total = 0;
  for (const Part& part : parts_) total = std::accumulate(part.bytes.begin(), part.bytes.end(), total);
  return total;
}

std::uint64_t Listing::longest_key() const {
  std::uint64_t longest = 1;
  for (const Part& part : parts_) {
    for (std::size_t row = 0; row < part.label.size(); ++row) {
      if (part.flaw[row] == Flaw::none) longest = std::max<std::uint64_t>(longest, part.key(row).size());
    }
  }
  return longest;
}

std::string Listing::hash() const {
  Hasher hasher;
  for (const Part& part : parts_) {
    for (std::size_t row = 0; row < part.label.size(); ++row) {
      const std::string line = fmt::format("{}\n{} {}\n", part.key(row), part.label[row], part.bytes[row]);
      hasher.update(std::as_bytes(std::span(line)));
    }
  }
  return hasher.digest().hex();
}

}  // namespace vitrail::datasets
