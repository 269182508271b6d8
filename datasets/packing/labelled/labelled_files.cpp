#include "datasets/packing/labelled/labelled_files.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/pack/parallel.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

struct FileOnDisk {
  bool is_there = false, is_file = false;
  std::uint64_t bytes = 0;
};

FileOnDisk look_at(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return {};
  if (!fs::is_regular_file(status)) return {true, false, 0};
  const std::uint64_t bytes = fs::file_size(path, error);
  if (error) throw io_error("cannot stat", path, error.value());
  return {true, true, bytes};
}

class LabelledSource final : public ListedSource {
 public:
  LabelledSource(LabelledFiles files, const SourceOptions& options) : folder_(files.folder) {
    kind_ = files.kind;
    classes_ = std::move(files.classes);
    selection_ = std::move(files.selection);
    warnings_ = std::move(files.warnings);
    if (files.files.empty()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: no image is listed", files.list));
    }
    refuse_repeated(files);
    std::vector<FileOnDisk> found(files.files.size());
    parallel_for(found.size(), options.threads,
                 [&](std::size_t i) { found[i] = look_at(folder_ / files.files[i].path); });
    refuse_missing(files, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const LabelledFile& file = files.files[i];
      Flaw flaw = flaw_of(file.path, found[i].bytes, found[i].is_file);
      if (!file.label && flaw == Flaw::none) flaw = Flaw::no_label;
      listing_.add({file.path, file.label.value_or(0), found[i].bytes, 0, flaw});
    }
    listing_.shrink();
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override { return read_image_file(folder_ / item.key); }

 private:
  static void refuse_repeated(const LabelledFiles& files) {
    std::unordered_map<std::string_view, std::size_t> first;
    for (std::size_t i = 0; i < files.files.size(); ++i) {
      if (first.emplace(files.files[i].path, i).second) continue;
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: {} is listed twice", files.list, printable(files.files[i].path)),
                  "an image has one line, and one label");
    }
  }

  // Left out, a part of an unfinished download would go unnoticed.
  static void refuse_missing(const LabelledFiles& files, const std::vector<FileOnDisk>& found) {
    const auto missing = std::ranges::count(found, false, &FileOnDisk::is_there);
    if (missing == 0) return;
    const auto first = std::ranges::find(found, false, &FileOnDisk::is_there) - found.begin();
    throw Error(ExitCode::bad_data,
                fmt::format("{}: {} of {} files that it lists are not in {}; the first: {}", files.list,
                            missing, found.size(), files.folder.string(),
                            printable(files.files[static_cast<std::size_t>(first)].path)),
                "unpack all of the images, or take what is missing out of the list");
  }

  const fs::path folder_;
};

}  // namespace

std::unique_ptr<Source> open_labelled_files(LabelledFiles files, const SourceOptions& options) {
  return std::make_unique<LabelledSource>(std::move(files), options);
}

void require_split(const SourceOptions& options, const std::vector<std::string>& splits) {
  if (std::ranges::find(splits, options.split) != splits.end()) return;
  throw Error(ExitCode::refused, fmt::format("has no split {}", options.split),
              fmt::format("give --split {}", fmt::join(splits, " or ")));
}

}  // namespace vitrail::datasets
