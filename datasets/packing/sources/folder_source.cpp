#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/archives/file_tree.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "datasets/packing/sources/split_names.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

bool has_digits_alone(const std::string& name) {
  return name.find_first_not_of("0123456789") == std::string::npos;
}

std::string without_zeros(const std::string& number) {
  return number.substr(std::min(number.find_first_not_of('0'), number.size() - 1));
}

bool is_folder(const fs::directory_entry& entry) {
  std::error_code ignored;  // what cannot be looked at is no folder
  return entry.is_directory(ignored);
}

bool is_class(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  return !name.starts_with('.') && !is_system_folder(name) && is_folder(entry);
}

// "2" is before "10" where all folders are called by number, as those of ImageNet-V2 by their class's: sorted
// as text, nearly every image would get another class's label.
bool called_by_number(const std::vector<fs::directory_entry>& entries) {
  return std::ranges::all_of(entries, [](const fs::directory_entry& entry) {
    return !is_class(entry) || has_digits_alone(entry.path().filename().string());
  });
}

std::vector<fs::directory_entry> in_class_order(std::vector<fs::directory_entry> entries) {
  if (!called_by_number(entries)) return entries;
  std::ranges::stable_sort(entries, {}, [](const fs::directory_entry& entry) {
    const std::string number = without_zeros(entry.path().filename().string());
    return std::pair(number.size(), number);
  });
  return entries;
}

class FolderSource final : public ListedSource {
 public:
  FolderSource(fs::path folder, const SourceOptions& options) : folder_(std::move(folder)) {
    kind_ = "folder";
    require_folder(folder_, "one with a folder for each class");
    const auto entries = in_class_order(sorted_entries(folder_));
    refuse_splits(entries);
    if (called_by_number(entries)) check_numbers(entries);
    for (const auto& entry : entries) {
      is_class(entry) && !leads_back(entry) ? add_class(entry) : add_other(entry);
    }
    if (classes_.empty()) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: no folder inside, but there should be one per class", folder_.string()),
                  hint_for_files());
    }
    warn();
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override { return read_image_file(folder_ / item.key); }

 private:
  // One level too high, "train" and "val" would become the classes.
  void refuse_splits(const std::vector<fs::directory_entry>& entries) {
    std::vector<std::string> splits;
    std::size_t classes = 0;
    for (const auto& entry : entries) {
      if (!is_class(entry)) continue;
      ++classes;
      const std::string name = entry.path().filename().string();
      if (!split_named(name).empty()) splits.push_back(name);
    }
    if (splits.empty() && classes == 1) return refuse_splits_below(entries);
    if (splits.empty()) return;
    if (splits.size() < classes) {
      warnings_.push_back(fmt::format("{}: {} among the classes: is this folder one level too high?",
                                      folder_.string(), fmt::join(splits, ", ")));
      return;
    }
    throw not_classes(folder_, splits);
  }

  static Error not_classes(const fs::path& folder, const std::vector<std::string>& splits) {
    return {ExitCode::bad_data,
            fmt::format("{}: holds {}, which are parts of a data set and not classes", folder.string(),
                        fmt::join(splits, ", ")),
            fmt::format("go one level down: folder:{}", (folder / splits.front()).string())};
  }

  // "Data", alone, with train and val inside.
  static void refuse_splits_below(const std::vector<fs::directory_entry>& entries) {
    const auto only = std::ranges::find_if(entries, is_class);
    std::vector<std::string> splits;
    for (const auto& entry : sorted_entries(only->path())) {
      if (!is_class(entry)) continue;
      const std::string name = entry.path().filename().string();
      if (split_named(name).empty()) return;
      splits.push_back(name);
    }
    if (!splits.empty()) throw not_classes(only->path(), splits);
  }

  // Numbers are taken for the labels that they will be. With one missing, all behind it would shift.
  void check_numbers(const std::vector<fs::directory_entry>& entries) {
    std::vector<std::string> names;
    for (const auto& entry : entries) {
      if (is_class(entry)) names.push_back(entry.path().filename().string());
    }
    if (names.empty()) return;
    const std::size_t base = without_zeros(names.front()) == "1" ? 1 : 0;
    for (std::size_t k = 0; k < names.size(); ++k) {
      if (without_zeros(names[k]) == std::to_string(k + base)) continue;
      throw Error(
          ExitCode::bad_data,
          fmt::format("{}: its folders are called by number, but not 0 to {}: where {} should be is {}, "
                      "which would get the label {}",
                      folder_.string(), names.size() - 1, k + base, names[k], k),
          "unpack what is missing; a class without images wants an empty folder. Where the numbers "
          "are names and no labels, put a letter before each of them");
    }
    if (base == 0) return;
    warnings_.push_back(
        fmt::format("{}: its folders are called 1 to {}: folder 1 gets the label 0, and so on",
                    folder_.string(), names.size()));
  }

  void add_class(const fs::directory_entry& entry) {
    const std::string name = utf8_name(entry);
    const auto label = static_cast<std::uint32_t>(classes_.size());
    classes_.push_back({name, is_wnid(name) ? name : ""});
    bool has_image = false;
    for (const TreeFile& file : files_below(entry.path())) {
      std::string key = name;
      key.append("/").append(file.name);
      const Flaw flaw = flaw_in_tree(file, key);
      has_image = has_image || flaw == Flaw::none;
      listing_.add({std::move(key), label, file.bytes, 0, flaw});
    }
    if (!has_image) empty_.push_back(name);
    const auto [first, is_new] = places_.emplace(fs::canonical(entry.path()), name);
    if (!is_new) {
      warnings_.push_back(
          fmt::format("{}: the classes {} and {} are links to one folder: its images come twice",
                      folder_.string(), first->second, name));
    }
  }

  // A link to this folder, or to one above it: all classes would be one more class.
  bool leads_back(const fs::directory_entry& entry) const {
    const fs::path target = fs::canonical(entry.path()), here = fs::canonical(folder_);
    return std::ranges::mismatch(target, here).in1 == target.end();
  }

  // A link that leads nowhere may be a class whose disk is not there.
  void add_other(const fs::directory_entry& entry) {
    const std::string name = utf8_name(entry);
    std::error_code ignored;
    if (is_folder(entry) || (entry.is_symlink(ignored) && !entry.exists(ignored))) left_out_.push_back(name);
    Flaw flaw = is_system_folder(name) ? Flaw::system_folder : Flaw::outside_class;
    if (is_class(entry)) flaw = Flaw::link_loop;
    listing_.add({name, 0, 0, 0, flaw});
  }

  void warn() {
    const auto some = [](const std::vector<std::string>& names) {
      constexpr std::size_t kShown = 5;
      std::string text =
          fmt::format("{}", fmt::join(names.begin(), names.begin() + std::min(kShown, names.size()), ", "));
      return names.size() > kShown ? fmt::format("{} and {} more", text, names.size() - kShown) : text;
    };
    if (!left_out_.empty()) {
      warnings_.push_back(
          fmt::format("{}: left out, as no folders of classes: {}", folder_.string(), some(left_out_)));
    }
    if (!empty_.empty()) {
      warnings_.push_back(fmt::format("{}: {} of {} classes hold no image file, and keep their labels: {}",
                                      folder_.string(), empty_.size(), classes_.size(), some(empty_)));
    }
    if (classes_.size() == 1) {
      warnings_.push_back(fmt::format("{}: only one class, {}: is this folder one level too high?",
                                      folder_.string(), classes_.front().name));
    }
  }

  std::string hint_for_files() const {
    for (const auto& entry : sorted_entries(folder_)) {
      const std::string name = entry.path().filename().string();
      if (wnid_of_archive(name)) {
        return fmt::format("{} is the archive of a class: --source imagenet-21k:{} packs a folder of these",
                           name, folder_.string());
      }
      if (looks_like_image(name)) {
        return fmt::format(
            "put the images into folders that are called as their classes, or name a list of their labels: "
            "csv:LIST,{0}; images:{0} takes them without labels",
            folder_.string());
      }
    }
    return "give folder: the folder that holds the folders of the classes";
  }

  const fs::path folder_;
  std::vector<std::string> left_out_, empty_;
  std::map<fs::path, std::string> places_;  // of the classes, links resolved
};

}  // namespace

std::unique_ptr<Source> open_folder_source(const fs::path& folder, const SourceOptions& options) {
  return std::make_unique<FolderSource>(folder, options);
}

}  // namespace vitrail::datasets
