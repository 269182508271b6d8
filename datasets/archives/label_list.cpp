#include "datasets/archives/label_list.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/archives/table_file.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

// A class and its boxes, any number of "LABEL X Y X Y": the first class is meant.
bool is_with_boxes(const std::vector<std::string>& words) {
  if (words.size() < 5 || words.size() % 5 != 0) return false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool number = words[i].find_first_not_of("0123456789.-") == std::string::npos;
    if (i % 5 != 0 && !number) return false;
  }
  return true;
}

constexpr std::array kPathColumns = {"path",  "file",       "filename", "file_name", "filepath", "file_path",
                                     "image", "image_path", "img_path", "image_id",  "imageid",  "img"};

bool names_paths(std::string field) {
  std::ranges::transform(field, field.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(kPathColumns, field) != kPathColumns.end();
}

struct Columns {
  std::size_t path = 0, label = 1;
  bool has_header = false;
  std::optional<std::size_t> name = {};
};

std::vector<std::string> without(std::vector<std::string> fields, std::size_t column) {
  fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(column));
  return fields;
}

// A first line is a header if --labels names a column, or one of its fields is a usual name of paths.
Columns columns_in(const TableLine& first, const std::string& labels, const std::string& list) {
  const auto path = std::ranges::find_if(first.fields, names_paths);
  if (labels.empty() && path == first.fields.end()) return {};
  Columns columns{path == first.fields.end() ? 0 : static_cast<std::size_t>(path - first.fields.begin()), 1,
                  true};
  if (!labels.empty()) {
    const auto label = std::ranges::find(first.fields, labels);
    if (label == first.fields.end()) {
      throw Error(ExitCode::refused, fmt::format("--labels {}: {} has no such column", labels, list),
                  fmt::format("its first line is {}", fmt::join(first.fields, ", ")));
    }
    columns.label = static_cast<std::size_t>(label - first.fields.begin());
  } else if (columns.path == 1) {
    columns.label = 0;
  } else if (columns.path > 1 || first.fields.size() > 2) {
    const auto usual = std::ranges::find_if(first.fields, [](const std::string& field) {
      return field == "label" || field == "class" || field == "target";
    });
    if (usual == first.fields.end()) {
      throw Error(ExitCode::refused, fmt::format("{}: which of its columns has the labels?", list),
                  fmt::format("say it: --labels with one of {}",
                              fmt::join(without(first.fields, columns.path), ", ")));
    }
    columns.label = static_cast<std::size_t>(usual - first.fields.begin());
  }
  const auto name = std::ranges::find(first.fields, "class");
  const auto place = static_cast<std::size_t>(name - first.fields.begin());
  if (name != first.fields.end() && place != columns.label && place != columns.path) columns.name = place;
  return columns;
}

}  // namespace

std::string label_in(const std::string& field) {
  const auto words = words_of(field);
  return is_with_boxes(words) ? words.front() : field;
}

std::vector<LabelLine> read_label_list(const std::filesystem::path& path) {
  std::vector<LabelLine> lines;
  for (TableLine& row : read_table(path)) {
    std::vector<std::string>& fields = row.fields;
    if (fields.size() < 2 || fields[0].empty() || fields[1].empty() || (row.by_blanks && fields.size() > 2)) {
      throw Error(ExitCode::bad_data, fmt::format("{}: line {}: not FILE and LABEL", path.string(), row.line),
                  "names with blanks in them want FILE,LABEL");
    }
    lines.push_back({fields[0], label_in(fields[1]), row.line});
  }
  return lines;
}

std::vector<LabelLine> read_labelled_table(const std::filesystem::path& path, const std::string& label) {
  const std::vector<TableLine> rows = read_table(path);
  if (rows.empty()) throw Error(ExitCode::bad_data, fmt::format("{}: no line inside", path.string()));
  const Columns columns = columns_in(rows.front(), label, path.string());
  const std::size_t needed = std::max(columns.path, columns.label) + 1;
  std::vector<LabelLine> lines;
  for (const TableLine& row : std::span(rows).subspan(columns.has_header ? 1 : 0)) {
    const bool fits = row.fields.size() >= needed && !(row.by_blanks && row.fields.size() > 2) &&
                      !row.fields[columns.path].empty() && !row.fields[columns.label].empty();
    if (!fits) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: line {}: not a path and its label", path.string(), row.line),
                  "every line has as many fields as the first; names with blanks want commas between fields");
    }
    lines.push_back({row.fields[columns.path], label_in(row.fields[columns.label]), row.line});
    if (columns.name && *columns.name < row.fields.size())
      lines.back().class_name = row.fields[*columns.name];
  }
  return lines;
}

}  // namespace vitrail::datasets
