#include "launcher/sweep/values.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/philox.hpp"
#include "trainer/settings/setting_value.hpp"

namespace vitrail::launcher {
namespace {

Error wrong(const std::string& place, const std::string& what) {
  return Error(ExitCode::usage, fmt::format("{}: {}", place, what));
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

double number(const std::string& text, const std::string& place) {
  double value = 0;
  if (trainer::read(text, value)) return value;
  throw wrong(place, fmt::format("{}: expected a number", text));
}

}  // namespace

std::vector<std::string> split_values(const std::string& text, const std::string& place) {
  std::vector<std::string> values;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(trimmed(text.substr(begin, end - begin)));
    if (values.back().empty()) throw wrong(place, "a value is missing: expected a, b, c");
    begin = end + 1;
  }
  return values;
}

DrawLaw::DrawLaw(const std::string& key, const std::string& text, const std::string& place)
    : stream_(hash_text(key).low & 0xffffffffffULL) {
  const std::size_t bracket = text.find('(');
  if (bracket == std::string::npos || !text.ends_with(')')) {
    choices_ = split_values(text, place);
    return;
  }
  const std::map<std::string, Kind> laws = {
      {"log", Kind::log}, {"uniform", Kind::uniform}, {"integers", Kind::integers}};
  const auto law = laws.find(trimmed(text.substr(0, bracket)));
  const auto bounds = split_values(text.substr(bracket + 1, text.size() - bracket - 2), place);
  if (law == laws.end() || bounds.size() != 2)
    throw wrong(place, fmt::format("{}: expected log(a, b), uniform(a, b), integers(a, b) or a list", text));
  kind_ = law->second;
  low_ = number(bounds[0], place);
  high_ = number(bounds[1], place);
  if (!(low_ < high_)) throw wrong(place, fmt::format("{}: expected a smaller number first", text));
  if (kind_ == Kind::log && low_ <= 0) throw wrong(place, fmt::format("{}: expected numbers above 0", text));
  constexpr double kLargest = 1e15;  // counted exactly
  const bool whole = std::floor(low_) == low_ && std::floor(high_) == high_ && high_ - low_ < kLargest &&
                     std::abs(low_) < kLargest;
  if (kind_ == Kind::integers && !whole) throw wrong(place, fmt::format("{}: expected whole numbers", text));
}

std::string DrawLaw::draw(std::uint64_t seed, std::uint64_t number) const {
  Philox random(seed, Purpose::sweep, number, stream_);
  switch (kind_) {
    case Kind::log:
      return fmt::format("{:.4g}", std::exp(random.uniform(std::log(low_), std::log(high_))));
    case Kind::uniform:
      return fmt::format("{:.4g}", random.uniform(low_, high_));
    case Kind::integers:
      return fmt::format(
          "{:.0f}", low_ + static_cast<double>(random.below(static_cast<std::uint64_t>(high_ - low_) + 1)));
    case Kind::choice:
      break;
  }
  return choices_[random.below(choices_.size())];
}

}  // namespace vitrail::launcher
