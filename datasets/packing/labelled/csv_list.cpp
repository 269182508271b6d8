#include <map>
#include <optional>

#include <fmt/format.h>

#include "datasets/archives/label_list.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/imagenet_devkit.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

// The path below the folder; nothing where it leads outside.
std::optional<std::string> key_below(const fs::path& folder, const std::string& text) {
  const fs::path path = fs::path(text).is_absolute() ? fs::path(text).lexically_relative(folder)
                                                     : fs::path(text).lexically_normal();
  if (path.empty() || path.is_absolute() || *path.begin() == ".." || path == ".") return std::nullopt;
  return path.generic_string();
}

KnownClasses known_classes(const SourceOptions& options) {
  if (!options.class_names.empty()) {
    return {read_class_names(options.class_names), options.class_names.string(), true};
  }
  if (!options.devkit.empty()) return {read_devkit(options.devkit).classes, options.devkit.string()};
  return {};
}

// Indices that the table itself names, as `vitrail predict --output labels.csv` does.
void take_names(const std::vector<LabelLine>& lines, const std::vector<std::uint32_t>& labels,
                const std::string& list, LabelClasses& made) {
  std::map<std::uint32_t, std::string> names;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& name = lines[i].class_name;
    if (name.empty()) continue;
    const auto [first, is_new] = names.emplace(labels[i], name);
    if (is_new || first->second == name) continue;
    made.warnings.push_back(
        fmt::format("{}: line {}: the label {} is called {}, and {} before: classes have no "
                    "names of the column class",
                    list, lines[i].line, lines[i].label, name, first->second));
    return;
  }
  for (const auto& [label, name] : names) made.classes[label] = {name, is_wnid(name) ? name : ""};
}

}  // namespace

LabelledFiles read_csv_list(const std::string& paths, const SourceOptions& options) {
  const auto comma = paths.rfind(',');
  const fs::path list = paths.substr(0, comma);
  require_file(list, "a table of paths and labels");
  LabelledFiles files;
  files.kind = "csv";
  files.list = list.string();
  files.folder = comma == std::string::npos ? list.parent_path() : fs::path(paths.substr(comma + 1));
  if (files.folder.empty()) files.folder = ".";
  require_folder(files.folder, "the folder that the paths begin at");
  const fs::path folder = fs::absolute(files.folder).lexically_normal();
  MetLabels met;
  std::vector<std::uint32_t> numbers;
  const std::vector<LabelLine> lines = read_labelled_table(list, options.labels);
  for (const LabelLine& line : lines) {
    const auto place = [&] { return fmt::format("{}: line {}", files.list, line.line); };
    const auto key = key_below(folder, line.file);
    if (!key) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: {} is not below {}", place(), line.file, files.folder.string()),
                  "name a folder that holds all of them: csv:LIST,FOLDER");
    }
    files.files.push_back({*key, {}});
    numbers.push_back(met.add(line.label, place));
  }
  const KnownClasses known = known_classes(options);
  LabelClasses made = classes_of(met, known, files.list);
  for (std::uint32_t& number : numbers) number = made.index_of[number];
  const bool are_indices = !lines.empty() && is_class_number(lines.front().label);
  if (known.classes.empty() && are_indices) take_names(lines, numbers, files.list, made);
  files.classes = std::move(made.classes);
  files.warnings = std::move(made.warnings);
  for (std::size_t i = 0; i < numbers.size(); ++i) files.files[i].label = numbers[i];
  if (!options.labels.empty()) files.selection = "labels: " + options.labels;
  return files;
}

}  // namespace vitrail::datasets
