#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "datasets/archives/file_tree.hpp"
#include "datasets/archives/label_list.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/imagenet_devkit.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

// Images of all classes in one folder, and a list of their labels.
class FlatSource final : public ListedSource {
 public:
  FlatSource(const fs::path& folder, const fs::path& list, const SourceOptions& options)
      : folder_(folder), list_(list) {
    kind_ = "flat";
    require_folder(folder_, "a folder of images");
    require_file(list_, "a list of labels");
    files_ = files_below(folder_);
    for (std::size_t i = 0; i < files_.size(); ++i) note_names(i);
    std::vector<LabelLine> lines = read_label_list(list_);
    if (has_header(lines)) lines.erase(lines.begin());
    if (lines.empty()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: no labels inside", list_.string()),
                  "a list has a line FILE,LABEL for each image");
    }
    MetLabels met;
    for (const LabelLine& line : lines) {
      met.add(line.label, [&] { return fmt::format("{}: line {}", list_.string(), line.line); });
    }
    LabelClasses made = classes_of(met, known_classes(options), list_.string());
    classes_ = std::move(made.classes);
    warnings_ = std::move(made.warnings);
    std::vector<std::optional<std::uint32_t>> labels(files_.size());
    for (const LabelLine& line : lines) {
      const auto file = find(line.file);
      if (!file) throw bad(line, fmt::format("{} is not in {}", line.file, folder_.string()));
      if (labels[*file]) throw bad(line, fmt::format("a second label for {}", line.file));
      labels[*file] = made.index_of[met.add(line.label, {})];
    }
    add(labels);
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override { return read_image_file(folder_ / item.key); }

 private:
  Error bad(const LabelLine& line, const std::string& what) const {
    return {ExitCode::bad_data, fmt::format("{}: line {}: {}", list_.string(), line.line, what),
            "every line names a file of the folder, with or without its ending, and its label"};
  }

  // "ImageId,PredictionString": no file of the folder, and no class of another line's, nor what can only be
  // one.
  bool has_header(const std::vector<LabelLine>& lines) const {
    return !lines.empty() && !find(lines.front().file) && !is_wnid(lines.front().label) &&
           !is_number(lines.front().label) &&
           std::none_of(lines.begin() + 1, lines.end(),
                        [&](const LabelLine& line) { return line.label == lines.front().label; });
  }

  // By its path, its name, and both without their ending; what two files could be called is nobody's name.
  void note_names(std::size_t i) {
    const std::string path = files_[i].name, name = path.substr(path.rfind('/') + 1);
    std::set<std::string> names{path, name};
    for (const std::string& full : {path, name}) {
      if (const auto dot = full.rfind('.'); dot != std::string::npos && dot > 0)
        names.insert(full.substr(0, dot));
    }
    for (const std::string& alias : names) {
      const auto [place, is_new] = by_name_.emplace(alias, i);
      if (!is_new) place->second = alias == path ? i : kAmbiguous;
    }
  }

  std::optional<std::size_t> find(const std::string& name) const {
    const auto place = by_name_.find(name);
    if (place == by_name_.end() || place->second == kAmbiguous) return std::nullopt;
    return place->second;
  }

  static KnownClasses known_classes(const SourceOptions& options) {
    if (options.devkit.empty()) return {};
    return {read_devkit(options.devkit).classes, options.devkit.string()};
  }

  void add(const std::vector<std::optional<std::uint32_t>>& labels) {
    std::size_t unlabelled = 0;
    std::string first;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const TreeFile& file = files_[i];
      Flaw flaw = file.is_loop ? Flaw::link_loop : flaw_of(file.name, file.bytes, file.is_file);
      if (!labels[i] && flaw == Flaw::none) {
        flaw = Flaw::no_label;
        if (looks_like_image(file.name) && unlabelled++ == 0) first = file.name;
      }
      listing_.add({file.name, labels[i].value_or(0), file.bytes, 0, flaw});
    }
    if (unlabelled == 0) return;
    warnings_.push_back(
        fmt::format("{}: no label for {} of the images in {}, which are left out; the first: {}",
                    list_.string(), unlabelled, folder_.string(), first));
  }

  static constexpr std::size_t kAmbiguous = static_cast<std::size_t>(-1);

  const fs::path folder_, list_;
  std::vector<TreeFile> files_;
  std::map<std::string, std::size_t> by_name_;
};

}  // namespace

std::unique_ptr<Source> open_flat_source(const std::string& paths, const SourceOptions& options) {
  const auto comma = paths.rfind(',');
  if (comma == std::string::npos || comma == 0 || comma + 1 == paths.size()) {
    throw Error(ExitCode::usage, "not flat:FOLDER,LABELS",
                "for example flat:val,LOC_val_solution.csv: lines of FILE,LABEL");
  }
  return std::make_unique<FlatSource>(paths.substr(0, comma), paths.substr(comma + 1), options);
}

}  // namespace vitrail::datasets
