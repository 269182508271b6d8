#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/archives/compression.hpp"
#include "datasets/archives/file_tree.hpp"
#include "datasets/pack/pack_plan.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/imagenet_devkit.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "datasets/packing/sources/stream_source.hpp"
#include "datasets/packing/spool.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/progress.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadOfTar = std::size_t{1} << 20;
constexpr std::size_t kClassesOfImagenet = 1000;
constexpr std::size_t kTrainingTars = 5;

// Of n01440764_10026_n01440764.JPEG and ILSVRC2012_val_00000293_n01440764.JPEG: what stands behind the last
// "_".
std::string wnid_in_name(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const std::string stem = name.substr(0, name.rfind('.'));
  const std::string last = stem.substr(stem.rfind('_') + 1);
  return is_wnid(last) ? last : "";
}

// 3 of train_images_3.tar.gz, 0 of val_images.tar.gz; nothing for other files, also for
// train_images_3.tar.gz.part.
std::optional<std::size_t> number_of_tar(const std::string& name, const std::string& split) {
  const std::string lead = split + "_images";
  if (!name.starts_with(lead)) return std::nullopt;
  const std::size_t dot = std::min(name.find('.'), name.size());
  const bool is_tar = name.substr(dot) == ".tar" ||
                      (name.substr(dot).starts_with(".t") && compression_by_name(name) != Compression::none);
  if (!is_tar) return std::nullopt;
  if (dot == lead.size()) return 0;
  std::size_t number = 0;
  const char* const end = name.data() + dot;
  const auto [stop, error] = std::from_chars(name.data() + lead.size() + 1, end, number);
  return name[lead.size()] == '_' && error == std::errc() && stop == end ? std::optional(number)
                                                                         : std::nullopt;
}

class HuggingFaceTars final : public StreamSource {
 public:
  HuggingFaceTars(const std::string& paths, const SourceOptions& options) : options_(options) {
    find(paths);
    if (!options.devkit.empty()) kit_ = read_devkit(options.devkit).classes;
    identity_ = fmt::format("imagenet-hf, {} classes named\n", kit_.size());
    std::uint64_t bytes = 0;
    for (const fs::path& path : files_) {
      const File file(path, File::Mode::read);
      identity_ += fmt::format("{} {}\n", path.filename().string(), fingerprint_of_stream(file));
      bytes += file.size();
    }
    shards_ = shard_count(bytes, options.shard_bytes);
  }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> lines = warnings_;
    if (classes().empty() || classes().size() == kClassesOfImagenet) return lines;
    lines.push_back(fmt::format(
        "{}: {} classes, not {}: labels are their ranks among those that are there (--devkit gives "
        "the labels of all)",
        options_.source, classes().size(), kClassesOfImagenet));
    return lines;
  }

 private:
  // One file, several with commas between them, or a folder with those of all parts.
  void find(const std::string& paths) {
    if (fs::is_directory(paths)) return find_in_folder(paths);
    for (std::size_t begin = 0; begin <= paths.size();) {
      const std::size_t end = std::min(paths.find(',', begin), paths.size());
      files_.emplace_back(paths.substr(begin, end - begin));
      require_file(files_.back(), "a tar of images");
      begin = end + 1;
    }
  }

  // Every tar has images of every class: nothing in a pack would show that one of them is not there.
  void find_in_folder(const fs::path& folder) {
    std::map<std::size_t, fs::path> tars;
    for (const auto& entry : sorted_entries(folder)) {
      const std::string name = entry.path().filename().string();
      const auto number = number_of_tar(name, options_.split);
      if (!number) continue;
      const auto [place, is_new] = tars.emplace(*number, entry.path());
      if (is_new) continue;
      throw Error(
          ExitCode::bad_data,
          fmt::format("{} and {} are the same part of the images", place->second.filename().string(), name),
          "leave one of them there, or name the files with commas between them");
    }
    if (tars.empty()) {
      throw Error(ExitCode::bad_data, fmt::format("no {}_images*.tar.gz inside", options_.split),
                  "--split train takes train_images_0.tar.gz to train_images_4.tar.gz, --split val "
                  "val_images.tar.gz");
    }
    for (const auto& [number, path] : tars) {
      if (number != files_.size()) {
        throw Error(ExitCode::bad_data,
                    fmt::format("no {}_images_{}.tar.gz inside, but {}", options_.split, files_.size(),
                                path.filename().string()),
                    "fetch the missing one; to pack only some, name the files with commas between them");
      }
      files_.push_back(path);
    }
    if (options_.split == "train" && files_.size() < kTrainingTars) {
      warnings_.push_back(fmt::format("{}: {} of {} tars of training images: are the others still to come?",
                                      options_.source, files_.size(), kTrainingTars));
    }
  }

  struct Sorted {
    std::map<std::string, std::uint32_t> numbers;  // of wnids, in the order of the stream
    std::unordered_set<std::string> keys;
    std::uint64_t labelled = 0;
    std::string stray;
  };

  void sort_into(const fs::path& folder) const override {
    SpoolWriter writer(folder, shards_);
    Sorted sorted;
    for (const fs::path& path : files_) sort_file(path, sorted, writer);
    if (sorted.labelled == 0) {
      throw Error(
          ExitCode::bad_data,
          fmt::format("{}: no image called ..._nXXXXXXXX.JPEG inside, but {}", options_.source,
                      sorted.stray.empty() ? "nothing" : printable(sorted.stray)),
          "imagenet-hf takes train_images_N.tar.gz and val_images.tar.gz of imagenet-1k; test images have no "
          "labels");
    }
    writer.finish(contents_of(sorted));
  }

  void sort_file(const fs::path& path, Sorted& sorted, SpoolWriter& writer) const {
    const std::string name = path.string();
    const File file(path, File::Mode::read);
    FileRange range(file, 0, file.size());
    const Compression compression = compression_of(path);
    const auto inside = compression == Compression::none ? nullptr : decompress(range, compression, name);
    ArchiveReader reader(inside ? *inside : range, name, kReadOfTar);
    Progress progress("sort " + path.filename().string(), "MB", file.size() / 1'000'000, options_.progress);
    std::uint64_t shown = 0;
    while (const auto member = reader.next()) {
      sort_member(*member, reader, sorted, writer);
      const std::uint64_t done = range.done() / 1'000'000;
      progress.add(done - shown);
      shown = done;
    }
  }

  void sort_member(const ArchiveMember& member, ArchiveReader& reader, Sorted& sorted,
                   SpoolWriter& writer) const {
    const std::string wnid = wnid_in_name(member.name);
    if (wnid.empty()) {
      if (sorted.stray.empty()) sorted.stray = member.name;
      SourceItem item = stray_item(member.name, member.bytes);
      item.flaw = Flaw::no_label;
      writer.add(item, {});
      return;
    }
    SourceItem item{wnid + "/" + member.name, 0, member.bytes, 0, Flaw::none};
    item.flaw = flaw_of(item.key, member.bytes, member.is_file);
    if (item.flaw == Flaw::none && !sorted.keys.insert(item.key).second) item.flaw = Flaw::repeated_name;
    if (item.flaw == Flaw::odd_name || item.flaw == Flaw::long_name) item.key = stray_item(item.key, 0).key;
    item.label =
        sorted.numbers.emplace(wnid, static_cast<std::uint32_t>(sorted.numbers.size())).first->second;
    if (item.flaw == Flaw::none) {
      writer.add(item, reader.read_all(kMaxImageFileBytes));
      ++sorted.labelled;
    } else {
      writer.add(item, {});
    }
  }

  SpoolContents contents_of(const Sorted& sorted) const {
    SpoolContents contents;
    contents.identity = identity_;
    contents.classes = kit_;
    if (kit_.empty()) {
      for (const auto& [wnid, number] : sorted.numbers) contents.classes.push_back({wnid, wnid});
    }
    contents.labels.resize(sorted.numbers.size());
    for (const auto& [wnid, number] : sorted.numbers) {
      const auto place = std::ranges::lower_bound(contents.classes, wnid, {}, &ClassEntry::wnid);
      if (place == contents.classes.end() || place->wnid != wnid) {
        throw Error(ExitCode::bad_data, fmt::format("{}: images of {}, which {} does not know",
                                                    options_.source, wnid, options_.devkit.string()));
      }
      contents.labels[number] = static_cast<std::uint32_t>(place - contents.classes.begin());
    }
    return contents;
  }

  const SourceOptions options_;
  std::vector<fs::path> files_;
  std::vector<std::string> warnings_;
  std::vector<ClassEntry> kit_;  // with --devkit; else classes are those that are met
};

}  // namespace

std::unique_ptr<Source> open_huggingface_source(const std::string& paths, const SourceOptions& options) {
  return std::make_unique<HuggingFaceTars>(paths, options);
}

}  // namespace vitrail::datasets
