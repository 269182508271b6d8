#include "datasets/archives/label_list.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string trimmed(const std::string& text) {
  const auto first = std::ranges::find_if_not(text, is_blank);
  const auto last = std::find_if_not(text.rbegin(), std::make_reverse_iterator(first), is_blank).base();
  return {first, last};
}

// Fields of a CSV line (RFC 4180): in quotes a comma is text, and two quotes are one.
std::vector<std::string> fields_of(const std::string& line, char separator) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (c == '"' && (quoted || trimmed(fields.back()).empty())) {
      quoted = !quoted;
    } else if (c == separator && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  for (std::string& field : fields) field = trimmed(field);
  return fields;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// A class and its boxes, any number of "LABEL X Y X Y": the first class is meant.
bool is_with_boxes(const std::vector<std::string>& words) {
  if (words.size() < 5 || words.size() % 5 != 0) return false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool number = words[i].find_first_not_of("0123456789.-") == std::string::npos;
    if (i % 5 != 0 && !number) return false;
  }
  return true;
}

}  // namespace

std::vector<LabelLine> read_label_list(const std::filesystem::path& path) {
  std::string text = read_written_text(path, ExitCode::bad_data);
  if (!is_utf8(text)) {
    throw Error(ExitCode::bad_data, fmt::format("{}: no list of labels: it is not text", path.string()),
                "a list has a line FILE,LABEL for each image");
  }
  if (text.find('\n') == std::string::npos) std::ranges::replace(text, '\r', '\n');  // lines as of old Macs
  std::istringstream in(text);
  std::vector<LabelLine> lines;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (trimmed(line).empty()) continue;
    const bool comma = line.find(',') != std::string::npos, tab = line.find('\t') != std::string::npos;
    std::vector<std::string> fields = comma || tab ? fields_of(line, comma ? ',' : '\t') : words_of(line);
    const bool plain_words = !comma && !tab;
    if (fields.size() < 2 || fields[0].empty() || fields[1].empty() || (plain_words && fields.size() > 2)) {
      throw Error(ExitCode::bad_data, fmt::format("{}: line {}: not FILE and LABEL", path.string(), number),
                  "names with blanks in them want FILE,LABEL");
    }
    if (const auto words = words_of(fields[1]); is_with_boxes(words)) fields[1] = words.front();
    lines.push_back({fields[0], fields[1], number});
  }
  return lines;
}

}  // namespace vitrail::datasets
