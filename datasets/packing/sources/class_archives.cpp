#include "datasets/packing/sources/class_archives.hpp"

#include <algorithm>
#include <functional>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "datasets/archives/compression.hpp"
#include "datasets/archives/file_tree.hpp"
#include "datasets/pack/parallel.hpp"
#include "datasets/packing/sources/imagenet_devkit.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/text/progress.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

// Where the tar of a class lies: a range of a file.
struct ClassArchive {
  std::string wnid;
  fs::path file;
  std::uint64_t begin = 0, bytes = 0;
};

class ClassArchives final : public ListedSource {
 public:
  ClassArchives(const std::string& kind, const fs::path& path, const SourceOptions& options) {
    kind_ = kind;
    std::error_code ignored;
    fs::is_directory(path, ignored) ? find_in_folder(path) : find_in_tar(path);
    if (archives_.empty()) {
      throw no_class_archives(path.string(), strays_.empty() ? "" : strays_.front().key);
    }
    std::ranges::sort(archives_, {}, &ClassArchive::wnid);
    const auto twice = std::ranges::adjacent_find(archives_, {}, &ClassArchive::wnid);
    if (twice != archives_.end()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: {}.tar is there twice", path.string(), twice->wnid));
    }
    for (const SourceItem& stray : strays_) {
      refuse_part_of_class(path.string(), stray.key, [&](const std::string& wnid) {
        return std::ranges::binary_search(archives_, wnid, {}, &ClassArchive::wnid);
      });
    }
    list(options);
    if (!options.devkit.empty()) name_classes(options);
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override {
    Bytes bytes(item.bytes);
    if (outer_) {
      outer_->read_at(item.place, bytes);
    } else {
      File(archives_[item.label].file, File::Mode::read).read_at(item.place, bytes);
    }
    return bytes;
  }

 private:
  void find_in_folder(const fs::path& folder) {
    for (const TreeFile& file : files_below(folder)) {
      const auto wnid = wnid_of_archive(file.name);
      refuse_compressed_class(folder.string(), file.name);
      if (wnid && file.is_file) {
        archives_.push_back({*wnid, folder / file.name, 0, file.bytes});
      } else {
        strays_.push_back(stray_item(file.name, file.bytes));
      }
    }
  }

  void find_in_tar(const fs::path& path) {
    outer_.emplace(path, File::Mode::read);
    for (const ArchiveMember& member : list_tar(*outer_, 0, outer_->size(), path.string())) {
      const auto wnid = wnid_of_archive(member.name);
      refuse_compressed_class(path.string(), member.name);
      if (wnid && member.is_file) {
        archives_.push_back({*wnid, path, member.position, member.bytes});
      } else {
        strays_.push_back(stray_item(member.name, member.bytes));
      }
    }
  }

  // Headers of many archives at once: on a parallel file system the waiting for each is what takes time.
  void list(const SourceOptions& options) {
    std::vector<std::optional<Listing>> listings(archives_.size());
    std::vector<std::uint64_t> members(archives_.size());
    Progress progress("list", "archives", archives_.size(), options.progress);
    parallel_for(archives_.size(), options.threads, [&](std::size_t a) {
      const ClassArchive& archive = archives_[a];
      const File file(archive.file, File::Mode::read);
      const std::string file_name = archive.file.string();
      const std::string name = outer_ ? fmt::format("{}: {}.tar", file_name, archive.wnid) : file_name;
      const auto found = list_tar(file, archive.begin, archive.bytes, name);
      members[a] = found.size();
      if (const auto items = class_items(archive.wnid, found, options.partition)) {
        listings[a].emplace();
        for (const SourceItem& item : *items) listings[a]->add(item);
        listings[a]->shrink();
      }
      progress.add(1);
    });
    merge(options.source, listings, members, options.partition);
  }

  void merge(const std::string& source, std::vector<std::optional<Listing>>& listings,
             const std::vector<std::uint64_t>& members, const Partition& partition) {
    std::uint64_t left_out = 0, files_left_out = 0, largest = 0;
    std::string first_empty;
    std::vector<ClassArchive> kept;
    for (std::size_t a = 0; a < archives_.size(); ++a) {
      largest = std::max(largest, members[a]);
      if (members[a] == 0 && first_empty.empty()) first_empty = archives_[a].wnid;
      if (!listings[a]) {
        ++left_out;
        files_left_out += members[a];
        continue;
      }
      listing_.append(std::move(*listings[a]), static_cast<std::uint32_t>(kept.size()));
      classes_.push_back({archives_[a].wnid, archives_[a].wnid});
      kept.push_back(std::move(archives_[a]));
    }
    if (listing_.size() == 0 && !partition.text().empty() && largest > 0) {
      throw empty_part(partition, archives_.size(), largest);
    }
    archives_ = std::move(kept);
    if (!first_empty.empty()) {
      warnings_.push_back(fmt::format(
          "{}: {} archives of classes hold no file, and these classes keep their labels; the first: {}.tar",
          source, std::ranges::count(members, 0U), first_empty));
    }
    if (partition.takes_strays()) {
      for (const SourceItem& stray : strays_) listing_.add(stray);
    }
    selection_ = selection_text(partition, left_out, files_left_out);
  }

  void name_classes(const SourceOptions& options) {
    const ImagenetDevkit kit = read_devkit(options.devkit);
    if (!std::ranges::equal(classes_, kit.classes, {}, &ClassEntry::wnid, &ClassEntry::wnid)) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: its {} classes are not the {} of {}", options.source, classes_.size(),
                              kit.classes.size(), options.devkit.string()));
    }
    classes_ = kit.classes;
  }

  std::optional<File> outer_;           // the tar of tars: opened once, not for every image
  std::vector<ClassArchive> archives_;  // by label
  std::vector<SourceItem> strays_;
};

}  // namespace

bool is_wnid(const std::string& name) {
  return name.size() == 9 && name[0] == 'n' &&
         std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::string> wnid_of_archive(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  if (!name.ends_with(".tar") || !is_wnid(name.substr(0, name.size() - 4))) return std::nullopt;
  return name.substr(0, name.size() - 4);
}

void refuse_compressed_class(const std::string& where, const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const Compression compression = compression_by_name(name);
  if (compression == Compression::none || !is_wnid(name.substr(0, name.find('.')))) return;
  throw Error(ExitCode::bad_data,
              fmt::format("{}: {}: the archive of a class is compressed ({})", where, printable(path),
                          name_of(compression)),
              "classes are read in place, from plain tars: decompress each (" +
                  std::string(program_of(compression)) + ")");
}

void refuse_part_of_class(const std::string& where, const std::string& path,
                          const std::function<bool(const std::string&)>& is_there) {
  const std::string name = path.substr(path.rfind('/') + 1), wnid = name.substr(0, 9);
  if (!is_wnid(wnid) || name.find(".tar") == std::string::npos || is_there(wnid)) return;
  throw Error(
      ExitCode::bad_data,
      fmt::format("{}: {}: no {}.tar, and left out it would shift the labels of the classes behind it", where,
                  path, wnid),
      "complete its download, or move it away if the class is not wanted");
}

SourceItem stray_item(const std::string& name, std::uint64_t bytes) {
  std::string key = printable(name);
  if (key.size() > kMaxKeyBytes) key = fmt::format("(a long name, hash {})", hash_text(name).hex());
  return {key, 0, bytes, 0, Flaw::not_class_archive};
}

std::optional<std::vector<SourceItem>> class_items(const std::string& wnid,
                                                   const std::vector<ArchiveMember>& members,
                                                   const Partition& partition) {
  std::vector<std::size_t> order(members.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) -> const std::string& { return members[i].name; });
  std::vector<std::string> keys;
  for (const std::size_t i : order) keys.push_back(wnid + "/" + members[i].name);
  const auto selected = partition.select(keys);
  if (!selected) return std::nullopt;
  std::vector<SourceItem> items;
  for (std::size_t k = 0; k < keys.size(); ++k) {
    if (!(*selected)[k]) continue;
    const ArchiveMember& member = members[order[k]];
    Flaw flaw = flaw_of(keys[k], member.bytes, member.is_file);
    if (member.name.empty()) flaw = Flaw::odd_name;
    if (flaw == Flaw::none && k > 0 && keys[k] == keys[k - 1]) flaw = Flaw::repeated_name;
    std::string key = flaw == Flaw::odd_name ? printable(keys[k]) : keys[k];
    if (key.size() > kMaxKeyBytes) key = fmt::format("{}/(a long name, hash {})", wnid, hash_text(key).hex());
    items.push_back({std::move(key), 0, member.bytes, member.position, flaw});
  }
  return items;
}

Error no_class_archives(const std::string& path, const std::string& found) {
  std::string hint = "imagenet-train and imagenet-21k are a tar, or a folder, of a tar for each class";
  if (looks_like_image(found)) {
    hint = fmt::format("{} is an image: ", found) +
           (found.find('/') == std::string::npos
                ? "a tar of validation images is --source imagenet-val:TAR with --devkit"
                : "images in a folder for each class are --source folder:DIR, unpacked");
  }
  return {ExitCode::bad_data, fmt::format("{}: no nXXXXXXXX.tar inside", path), hint};
}

Error empty_part(const Partition& partition, std::uint64_t classes, std::uint64_t largest) {
  return {ExitCode::refused,
          fmt::format("--validation {} leaves no file of {} classes, the largest of {} files",
                      partition.text(), classes, largest),
          "21k-p keeps classes of more than 500 files; choose --validation hash:FRACTION or another --split"};
}

std::string selection_text(const Partition& partition, std::uint64_t classes_left_out,
                           std::uint64_t files_left_out) {
  std::string text = partition.text();
  if (classes_left_out > 0) {
    text += fmt::format("; {} classes with {} files left out", classes_left_out, files_left_out);
  }
  return text;
}

std::unique_ptr<Source> open_class_archives(const std::string& kind, const fs::path& path,
                                            const SourceOptions& options) {
  return std::make_unique<ClassArchives>(kind, path, options);
}

}  // namespace vitrail::datasets
