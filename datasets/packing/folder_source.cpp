#include <algorithm>
#include <utility>

#include "datasets/archives/file_tree.hpp"
#include "datasets/packing/class_archives.hpp"
#include "datasets/packing/listed_source.hpp"
#include "datasets/packing/source_kinds.hpp"
#include "datasets/packing/source_path.hpp"
#include "trainer/base/atomic_file.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

bool is_class(const fs::directory_entry& entry) {
  std::error_code ignored;  // what cannot be looked at is no folder
  return !entry.path().filename().string().starts_with('.') && entry.is_directory(ignored);
}

// "2" is before "10" where all folders are called by number, as those of ImageNet-V2 by their class's: sorted
// as text, nearly every image would get another class's label.
std::vector<fs::directory_entry> in_class_order(std::vector<fs::directory_entry> entries) {
  const auto name = [](const fs::directory_entry& entry) { return entry.path().filename().string(); };
  const bool by_number = std::ranges::all_of(entries, [&](const fs::directory_entry& entry) {
    return !is_class(entry) || name(entry).find_first_not_of("0123456789") == std::string::npos;
  });
  if (!by_number) return entries;
  std::ranges::stable_sort(entries, {}, [&](const fs::directory_entry& entry) {
    std::string number = name(entry);
    number.erase(0, number.find_first_not_of('0'));
    return std::pair(number.size(), number);
  });
  return entries;
}

class FolderSource final : public ListedSource {
 public:
  FolderSource(fs::path folder, const SourceOptions& options) : folder_(std::move(folder)) {
    kind_ = "folder";
    require_folder("--source " + options.source, folder_, "one with a folder for each class");
    for (const auto& entry : in_class_order(sorted_entries(folder_))) {
      const std::string name = utf8_name(entry);
      if (!is_class(entry)) {
        listing_.add({name, 0, 0, 0, Flaw::outside_class});
        continue;
      }
      const auto label = static_cast<std::uint32_t>(classes_.size());
      classes_.push_back({name, is_wnid(name) ? name : ""});
      for (const TreeFile& file : files_below(entry.path())) {
        std::string key = name;
        key.append("/").append(file.name);
        Flaw flaw = flaw_of(key, file.bytes, file.is_file);
        if (file.name.starts_with('.') || file.name.find("/.") != std::string::npos) flaw = Flaw::hidden;
        listing_.add({std::move(key), label, file.bytes, 0, flaw});
      }
    }
    if (classes_.empty()) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: no folder inside, but there should be one per class", folder_.string()),
                  hint_for_files());
    }
    plan(options.source, options.shard_bytes);
  }

  std::vector<std::byte> read(const SourceItem& item) const override {
    const File file(folder_ / item.key, File::Mode::read);
    std::vector<std::byte> bytes(file.size());
    file.read_at(0, bytes);
    return bytes;
  }

 private:
  std::string hint_for_files() const {
    for (const auto& entry : sorted_entries(folder_)) {
      const std::string name = entry.path().filename().string();
      if (wnid_of_archive(name)) {
        return fmt::format("{} is the archive of a class: --source imagenet-21k:{} packs a folder of these",
                           name, folder_.string());
      }
      if (looks_like_image(name)) return "put the images into folders that are called as their classes";
    }
    return "give --source folder:DIR the folder that holds the folders of the classes";
  }

  const fs::path folder_;
};

}  // namespace

std::unique_ptr<Source> open_folder_source(const fs::path& folder, const SourceOptions& options) {
  return std::make_unique<FolderSource>(folder, options);
}

}  // namespace vitrail::datasets
