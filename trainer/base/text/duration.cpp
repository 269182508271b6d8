#include "trainer/base/text/duration.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <string_view>

#include <fmt/format.h>

namespace vitrail {
namespace {

struct Suffix {
  std::string_view text;
  Duration::Unit unit;
  std::int64_t factor;
};
// Longest first within a unit: format() takes the first that divides.
constexpr std::array<Suffix, 5> kSuffixes = {{{"ep", Duration::Unit::epochs, 1},
                                              {"st", Duration::Unit::steps, 1},
                                              {"h", Duration::Unit::seconds, 3600},
                                              {"min", Duration::Unit::seconds, 60},
                                              {"s", Duration::Unit::seconds, 1}}};

constexpr std::int64_t kLongestTime = 1'000'000'000;  // seconds; clocks count nanoseconds in 63 bits

}  // namespace

std::optional<Duration> parse_duration(const std::string& text) {
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc{} || count < 0) return std::nullopt;
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  for (const Suffix& s : kSuffixes) {
    if (suffix != s.text) continue;
    const bool is_time = s.unit == Duration::Unit::seconds;
    if (count > (is_time ? kLongestTime : std::numeric_limits<std::int64_t>::max()) / s.factor)
      return std::nullopt;
    return Duration{count * s.factor, s.unit};
  }
  return std::nullopt;
}

std::string format(const Duration& duration) {
  for (const Suffix& s : kSuffixes) {
    if (s.unit == duration.unit && duration.count % s.factor == 0 && (duration.count != 0 || s.factor == 1)) {
      return fmt::format("{}{}", duration.count / s.factor, s.text);
    }
  }
  return fmt::format("{}st", duration.count);
}

}  // namespace vitrail
