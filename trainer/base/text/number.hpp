// A whole number, 0 or more, that is all of a text; absent for anything else, or where it is too large.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace vitrail {

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace vitrail
