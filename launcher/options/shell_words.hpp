// The words that a shell would make of a text; absent where it would not: an open quote, a lone backslash.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vitrail::launcher {

std::optional<std::vector<std::string>> shell_words(const std::string& text);

}  // namespace vitrail::launcher
