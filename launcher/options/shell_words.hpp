// The words that a shell would make of a text; absent where it would not: an open quote, a lone backslash.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vitrail::launcher {

std::optional<std::vector<std::string>> shell_words(const std::string& text);

// One word as a shell reads it back.
std::string shell_quoted(const std::string& word);

// As the rule of an option.
inline constexpr const char* kShellWords = "words as a shell splits them, every quote closed";
inline bool is_shell_words(const std::string& text) { return shell_words(text).has_value(); }

}  // namespace vitrail::launcher
