// Flowers-102 and Cars: annotations in MATLAB files, classes counted from 1.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "datasets/archives/matlab_file.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMaxNumber = 1'000'000;

std::uint32_t counted(double value, const fs::path& path) {
  if (value >= 1 && value <= kMaxNumber && value == static_cast<std::uint32_t>(value)) {
    return static_cast<std::uint32_t>(value);
  }
  throw Error(ExitCode::bad_data, fmt::format("{}: {} is no number counted from 1", path.string(), value));
}

std::vector<std::uint32_t> numbers_in(const fs::path& path, const std::string& variable) {
  std::vector<std::uint32_t> numbers;
  for (const double value : read_matlab_numbers(read_bytes(path), variable, path.string())) {
    numbers.push_back(counted(value, path));
  }
  return numbers;
}

// Where people have it: beside the images, or in devkit/.
fs::path annotation(const fs::path& folder, const std::string& name) {
  for (const fs::path& path : {folder / name, folder / "devkit" / name}) {
    if (fs::exists(path)) return path;
  }
  require_file(folder / name, "annotations");
  return {};
}

}  // namespace

LabelledFiles read_flowers102(const fs::path& folder, const SourceOptions& options) {
  require_folder(folder, "the folder of jpg/, imagelabels.mat and setid.mat");
  require_split(options, {"train", "val", "trainval", "test"});
  const fs::path labels_path = annotation(folder, "imagelabels.mat"),
                 sets_path = annotation(folder, "setid.mat");
  const std::vector<std::uint32_t> labels = numbers_in(labels_path, "labels");
  if (labels.empty()) throw Error(ExitCode::bad_data, fmt::format("{}: no labels", labels_path.string()));
  LabelledFiles files{"flowers102", folder / "jpg", sets_path.string(), {}, {}};
  for (std::uint32_t c = 1; c <= *std::ranges::max_element(labels); ++c) {
    files.classes.push_back({std::to_string(c), ""});
  }
  const std::map<std::string, std::vector<std::string>> sets = {
      {"train", {"trnid"}}, {"val", {"valid"}}, {"trainval", {"trnid", "valid"}}, {"test", {"tstid"}}};
  for (const std::string& variable : sets.at(options.split)) {
    for (const std::uint32_t number : numbers_in(sets_path, variable)) {
      if (number > labels.size()) {
        throw Error(ExitCode::bad_data,
                    fmt::format("{}: {}: the image {} has no label in {}", sets_path.string(), variable,
                                number, labels_path.string()));
      }
      files.files.push_back({fmt::format("image_{:05}.jpg", number), labels[number - 1] - 1});
    }
  }
  return files;
}

LabelledFiles read_cars(const fs::path& folder, const SourceOptions& options) {
  require_folder(folder, "the folder of cars_train/, cars_test/ and devkit/");
  require_split(options, {"train", "test"});
  const bool is_train = options.split == "train";
  const fs::path path =
                     annotation(folder, is_train ? "cars_train_annos.mat" : "cars_test_annos_withlabels.mat"),
                 meta = annotation(folder, "cars_meta.mat");
  LabelledFiles files{"cars", folder / (is_train ? "cars_train" : "cars_test"), path.string(), {}, {}};
  for (const std::string& name : read_matlab_texts(read_bytes(meta), "class_names", meta.string())) {
    if (name.empty() || !is_utf8(name)) {
      throw Error(ExitCode::bad_data, fmt::format("{}: a class without a name", meta.string()));
    }
    files.classes.push_back({name, ""});
  }
  const MatlabStructs rows = read_matlab_structs(read_bytes(path), "annotations", path.string());
  const std::size_t name = rows.field("fname", path.string()), label = rows.field("class", path.string());
  for (const auto& row : rows.rows) {
    const std::uint32_t number = row[label].numbers.size() == 1 ? counted(row[label].numbers[0], path) : 0;
    const std::string& file = row[name].text;
    if (file.empty() || file.find('/') != std::string::npos || number == 0 || number > files.classes.size()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: an image without a name, or of class {} of {}",
                                                  path.string(), number, files.classes.size()));
    }
    files.files.push_back({file, number - 1});
  }
  return files;
}

}  // namespace vitrail::datasets
