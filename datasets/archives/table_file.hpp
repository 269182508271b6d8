// Tables as text: lines of fields with tabs, else commas, else blanks between them, as each line has them; in
// quotes either is text (RFC 4180, but no line break inside of quotes). Throws: Error(bad_data) for a file
// that is no text, and naming a line whose quotes stay open; Error(io).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::datasets {

struct TableLine {
  std::vector<std::string> fields;  // without blanks around them
  bool by_blanks = false;           // neither comma nor tab: a blank inside of a field cannot be told
  std::size_t line = 0;             // from 1
};

std::vector<TableLine> read_table(const std::filesystem::path& path);  // empty lines are left out

std::vector<std::string> words_of(const std::string& text);  // what blanks lie between

}  // namespace vitrail::datasets
