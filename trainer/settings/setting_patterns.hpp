// Sets of configuration keys, as lists of patterns: a key, or a section with its dot ("augment.").
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace vitrail::trainer {

inline bool matches_any(std::span<const std::string_view> patterns, const std::string& key) {
  return std::ranges::any_of(patterns, [&](std::string_view pattern) {
    return pattern.ends_with('.') ? key.starts_with(pattern) : key == pattern;
  });
}

}  // namespace vitrail::trainer
