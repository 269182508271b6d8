#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "datasets/archives/file_tree.hpp"
#include "datasets/archives/label_list.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMappingFile = "LOC_synset_mapping.txt";

fs::path below(const fs::path& folder, const fs::path& wanted) {
  for (const fs::path& from : {folder / "ILSVRC", folder}) {
    if (fs::exists(from / wanted)) return from / wanted;
  }
  return folder / "ILSVRC" / wanted;
}

// Files that no class and no line is for are quarantined, and said.
void add_others(const std::vector<std::string>& names, const std::string& why, LabelledFiles& files) {
  if (names.empty()) return;
  for (const std::string& name : names) files.files.push_back({name, {}});
  files.warnings.push_back(fmt::format("{}: {} files are left out, {}; the first: {}", files.folder.string(),
                                       names.size(), why, printable(names.front())));
}

void add_beside_classes(const fs::path& folder, const std::vector<ClassEntry>& classes,
                        LabelledFiles& files) {
  std::vector<std::string> beside;
  for (const auto& entry : sorted_entries(folder)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory()) {
      beside.push_back(name);
    } else if (!std::ranges::binary_search(classes, name, {}, &ClassEntry::wnid) && !name.starts_with('.') &&
               !is_system_folder(name)) {
      throw Error(
          ExitCode::bad_data,
          fmt::format("{}: the folder {} is no class of {}", folder.string(), printable(name), kMappingFile),
          "every folder there is a class, and its line is in the mapping; move others away");
    }
  }
  add_others(beside, "which lie in no folder of a class", files);
}

// A folder for each class of the mapping, keys WNID/NAME as in a pack of the official archives.
void add_train(const fs::path& folder, const std::vector<ClassEntry>& classes, LabelledFiles& files) {
  for (std::uint32_t c = 0; c < classes.size(); ++c) {
    if (!fs::is_directory(folder / classes[c].wnid)) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: no folder of the class {}", folder.string(), classes[c].wnid),
                  "unpack all of imagenet-object-localization-challenge.zip");
    }
    for (const TreeFile& file : files_below(folder / classes[c].wnid)) {
      files.files.push_back({classes[c].wnid + "/" + file.name, c});
    }
  }
  add_beside_classes(folder, classes, files);
}

void add_validation(const fs::path& csv, const std::vector<ClassEntry>& classes, LabelledFiles& files) {
  std::map<std::string, std::uint32_t> index_of;
  for (std::uint32_t c = 0; c < classes.size(); ++c) index_of[classes[c].wnid] = c;
  for (const LabelLine& line : read_label_list(csv)) {
    if (line.line == 1 && line.file == "ImageId") continue;
    const auto found = index_of.find(line.label);
    if (found == index_of.end()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: line {}: {} is no class of {}", csv.string(),
                                                  line.line, line.label, kMappingFile));
    }
    files.files.push_back({line.file + ".JPEG", found->second});
  }
  std::set<std::string> listed;
  for (const LabelledFile& file : files.files) listed.insert(file.path);
  std::vector<std::string> others;
  for (const TreeFile& file : files_below(files.folder)) {
    if (!listed.contains(file.name)) others.push_back(file.name);
  }
  add_others(others, "which " + csv.filename().string() + " does not list", files);
}

}  // namespace

LabelledFiles read_kaggle_imagenet(const fs::path& folder, const SourceOptions& options) {
  require_folder(folder, "what Kaggle's archive unpacks to");
  require_split(options, {"train", "val"});
  const fs::path names = folder / kMappingFile, csv = folder / "LOC_val_solution.csv",
                 images = below(folder, fs::path("Data") / "CLS-LOC" / options.split);
  require_file(names, "Kaggle's list of classes");
  require_folder(images, "the folder of the images");
  LabelledFiles files{"imagenet-kaggle", images, images.string(), {}, {}};
  files.classes = read_class_names(names);
  std::ranges::sort(files.classes, {}, &ClassEntry::wnid);  // an index is a rank among wnids, as everywhere
  for (const ClassEntry& entry : files.classes) {
    if (entry.wnid.empty()) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: {} does not begin with a wnid", names.string(), entry.name));
    }
  }
  if (options.split == "train") {
    add_train(images, files.classes, files);
  } else {
    require_file(csv, "Kaggle's list of labels");
    files.list = csv.string();
    add_validation(csv, files.classes, files);
  }
  return files;
}

}  // namespace vitrail::datasets
