#include <fmt/format.h>

#include "datasets/archives/table_file.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

// meta/train.txt: lines of CLASS/NUMBER, of which the image is images/CLASS/NUMBER.jpg.
LabelledFiles read_food101(const std::filesystem::path& folder, const SourceOptions& options) {
  require_folder(folder, "the folder food-101");
  require_split(options, {"train", "test"});
  const std::filesystem::path list = folder / "meta" / (options.split + ".txt"),
                              names = folder / "meta" / "classes.txt";
  require_file(list, "a list of images");
  LabelledFiles files{"food101", folder / "images", list.string(), {}, {}};
  MetLabels met;
  std::vector<std::uint32_t> numbers;
  for (const TableLine& line : read_table(list)) {
    const auto place = [&] { return fmt::format("{}: line {}", list.string(), line.line); };
    const std::string& path = line.fields.front();
    const auto slash = path.find('/');
    if (line.fields.size() != 1 || slash == std::string::npos || path.find("..") != std::string::npos) {
      throw Error(ExitCode::bad_data, fmt::format("{}: not CLASS/NUMBER", place()));
    }
    files.files.push_back({path + ".jpg", {}});
    numbers.push_back(met.add(path.substr(0, slash), place));
  }
  const LabelClasses made = classes_of(met, {read_class_names(names), names.string()}, list.string());
  files.classes = made.classes;
  for (std::size_t i = 0; i < numbers.size(); ++i) files.files[i].label = made.index_of[numbers[i]];
  return files;
}

}  // namespace vitrail::datasets
