#include <optional>

#include <fmt/format.h>

#include "datasets/archives/label_list.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
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

}  // namespace

LabelledFiles read_csv_list(const std::string& paths, const SourceOptions& options) {
  const auto comma = paths.rfind(',');
  const fs::path list = paths.substr(0, comma);
  require_file("--source " + options.source, list, "a table of paths and labels");
  LabelledFiles files;
  files.kind = "csv";
  files.list = list.string();
  files.folder = comma == std::string::npos ? list.parent_path() : fs::path(paths.substr(comma + 1));
  if (files.folder.empty()) files.folder = ".";
  require_folder("--source " + options.source, files.folder, "the folder that the paths begin at");
  const fs::path folder = fs::absolute(files.folder).lexically_normal();
  MetLabels met;
  std::vector<std::uint32_t> numbers;
  for (const LabelLine& line : read_labelled_table(list, options.labels)) {
    const auto place = [&] { return fmt::format("{}: line {}", files.list, line.line); };
    const auto key = key_below(folder, line.file);
    if (!key) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: {} is not below {}", place(), line.file, files.folder.string()),
                  "name a folder that holds all of them: --source csv:LIST,FOLDER");
    }
    files.files.push_back({*key, {}});
    numbers.push_back(met.add(line.label, place));
  }
  LabelClasses made = classes_of(met, known_classes(options), files.list);
  files.classes = std::move(made.classes);
  files.warnings = std::move(made.warnings);
  for (std::size_t i = 0; i < numbers.size(); ++i) files.files[i].label = made.index_of[numbers[i]];
  if (!options.labels.empty()) files.selection = "labels: " + options.labels;
  return files;
}

}  // namespace vitrail::datasets
