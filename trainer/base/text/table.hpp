// Rows of texts as lines: in columns for people, or as CSV.
#pragma once

#include <string>
#include <vector>

namespace vitrail {

using Rows = std::vector<std::vector<std::string>>;

// Columns as wide as their widest text, two blanks between them; all rows are as long as the first.
enum class Align { left, right };
std::string in_columns(const Rows& rows, Align align = Align::right);

// Quoted as in RFC 4180 where it must be, and ended by a line feed.
std::string csv_line(const std::vector<std::string>& fields);

}  // namespace vitrail
