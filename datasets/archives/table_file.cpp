#include "datasets/archives/table_file.hpp"

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

// Of a CSV line: in quotes a comma is text, and two quotes are one. False where quotes stay open.
bool split_fields(const std::string& line, char separator, std::vector<std::string>& fields) {
  fields.assign(1, "");
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
  return !quoted;
}

}  // namespace

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<TableLine> read_table(const std::filesystem::path& path) {
  std::string text = read_written_text(path, ExitCode::bad_data);
  if (!is_utf8(text)) {
    throw Error(ExitCode::bad_data, fmt::format("{}: no list of labels: it is not text", path.string()),
                "a list has a line FILE,LABEL for each image");
  }
  if (text.find('\n') == std::string::npos) std::ranges::replace(text, '\r', '\n');  // lines as of old Macs
  std::istringstream in(text);
  std::vector<TableLine> lines;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (trimmed(line).empty()) continue;
    TableLine row{{}, line.find_first_of(",\t") == std::string::npos, number};
    bool is_closed = split_fields(line, '\t', row.fields);
    if (row.fields.size() == 1) is_closed = split_fields(line, ',', row.fields);
    if (row.by_blanks) {
      row.fields = words_of(line);
    } else if (!is_closed) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: line {}: quotes that stay open", path.string(), number),
                  "a field in quotes ends on its line; two quotes inside of it are one");
    }
    lines.push_back(std::move(row));
  }
  return lines;
}

}  // namespace vitrail::datasets
