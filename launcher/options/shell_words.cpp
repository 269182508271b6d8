#include "launcher/options/shell_words.hpp"

#include <string_view>

#include <boost/program_options/parsers.hpp>
#include <boost/token_functions.hpp>

namespace vitrail::launcher {

// Boost splits, but takes the end of the text for a closing quote.
std::optional<std::vector<std::string>> shell_words(const std::string& text) {
  char open = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == open) {
      open = '\0';
    } else if (open == '\0' && (text[i] == '"' || text[i] == '\'')) {
      open = text[i];
    }
  }
  if (open != '\0') return std::nullopt;
  try {
    return boost::program_options::split_unix(text);
  } catch (const boost::escaped_list_error&) {
    return std::nullopt;
  }
}

std::string shell_quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:=,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace vitrail::launcher
