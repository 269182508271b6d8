#include "datasets/archives/brace_pattern.hpp"

#include <charconv>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::size_t kMostNames = 1'000'000;

Error bad(const std::string& pattern, const std::string& what) {
  return {ExitCode::usage, fmt::format("{}: {}", pattern, what),
          "for example train-{0000..0146}.tar or {train,more}.tar; several with :: between them"};
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

// What stands between two braces: "0000..0146", as wide as its first number is written, or "a,b".
std::vector<std::string> choices_of(const std::string& pattern, const std::string& inside) {
  std::vector<std::string> choices;
  if (const auto dots = inside.find(".."); dots != std::string::npos) {
    const std::string first = inside.substr(0, dots);
    const auto from = number(first), to = number(inside.substr(dots + 2));
    if (!from || !to || *to < *from) throw bad(pattern, fmt::format("{{{}}} is no range of numbers", inside));
    if (*to - *from >= kMostNames) throw bad(pattern, "more than a million files");
    for (std::uint64_t n = *from; n <= *to; ++n) {
      const std::string digits = std::to_string(n);
      choices.push_back(std::string(first.size() - std::min(first.size(), digits.size()), '0') + digits);
    }
    return choices;
  }
  for (std::size_t begin = 0;;) {
    const auto comma = inside.find(',', begin);
    choices.push_back(inside.substr(begin, comma - begin));
    if (comma == std::string::npos) return choices;
    begin = comma + 1;
  }
}

void expand_one(const std::string& pattern, std::vector<std::string>& names) {
  std::vector<std::string> made{""};
  for (std::size_t at = 0; at < pattern.size();) {
    const auto open = pattern.find_first_of("{}", at);
    for (std::string& name : made) name += pattern.substr(at, open - at);
    if (open == std::string::npos) break;
    const auto close = pattern.find_first_of("{}", open + 1);
    if (pattern[open] == '}' || close == std::string::npos || pattern[close] == '{') {
      throw bad(pattern, "a brace that is not closed, or inside of another");
    }
    std::vector<std::string> longer;
    const auto choices = choices_of(pattern, pattern.substr(open + 1, close - open - 1));
    if (made.size() * choices.size() > kMostNames) throw bad(pattern, "more than a million files");
    for (const std::string& name : made) {
      for (const std::string& choice : choices) longer.push_back(name + choice);
    }
    made = std::move(longer);
    at = close + 1;
  }
  names.insert(names.end(), made.begin(), made.end());
}

}  // namespace

std::vector<std::string> expand_braces(const std::string& pattern) {
  std::vector<std::string> names;
  for (std::size_t begin = 0;;) {
    const auto end = pattern.find("::", begin);
    expand_one(pattern.substr(begin, end - begin), names);
    if (end == std::string::npos) return names;
    begin = end + 2;
  }
}

}  // namespace vitrail::datasets
