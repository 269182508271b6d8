#include "trainer/base/normalisation.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitrail {
namespace {

std::string trimmed(const std::string& text, const char* blanks) {
  const std::size_t first = text.find_first_not_of(blanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

std::string without_brackets(const std::string& text) {
  const std::string inner = trimmed(text, " \t");
  const bool bracketed = inner.size() >= 2 && ((inner.front() == '(' && inner.back() == ')') ||
                                               (inner.front() == '[' && inner.back() == ']'));
  return bracketed ? inner.substr(1, inner.size() - 2) : inner;
}

}  // namespace

std::string format(const ChannelValues& values) { return fmt::format("{}", fmt::join(values, ",")); }

std::optional<ChannelValues> parse_channel_values(const std::string& text) {
  ChannelValues values{};
  std::string rest = without_brackets(text);
  for (std::size_t c = 0; c < values.size(); ++c) {
    const std::size_t comma = rest.find(',');
    if ((comma == std::string::npos) != (c + 1 == values.size())) return std::nullopt;
    const std::string number = trimmed(rest.substr(0, comma), " \t");
    const char* const end = number.data() + number.size();
    const auto [stopped, error] = std::from_chars(number.data(), end, values.at(c));
    if (error != std::errc() || stopped != end || !std::isfinite(values.at(c))) return std::nullopt;
    if (comma != std::string::npos) rest.erase(0, comma + 1);
  }
  return values;
}

bool is_mean(const ChannelValues& values) {
  return std::ranges::all_of(values, [](double value) { return value >= 0 && value <= 1; });
}

// Less than a thousandth of what a byte resolves is no deviation of anything.
bool is_deviation(const ChannelValues& values) {
  return std::ranges::all_of(values, [](double value) { return value >= 1e-6 && value <= 1; });
}

std::string describe(const Normalisation& normalisation) {
  return fmt::format("mean {} and std {}", format(normalisation.mean), format(normalisation.deviation));
}

}  // namespace vitrail
