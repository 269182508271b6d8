#include "trainer/base/text/table.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace vitrail {
namespace {

std::string csv_field(const std::string& text) {
  const bool plain = text.find_first_of(",\"\t\r\n") == std::string::npos;
  if (plain && !text.starts_with(' ') && !text.ends_with(' ')) return text;  // readers strip blanks
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string in_columns(const Rows& rows, Align align) {
  if (rows.empty()) return "";
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      if (align == Align::right) {
        text += fmt::format("{:>{}}", row[i], widths[i]);
      } else {
        text += fmt::format("{:<{}}", row[i], last ? 0 : widths[i]);
      }
      text += last ? "\n" : "  ";
    }
  }
  return text;
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields) line += csv_field(field) + ",";
  line.back() = '\n';
  return line;
}

}  // namespace vitrail
