#include <algorithm>

#include <fmt/format.h>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/archives/compression.hpp"
#include "datasets/pack/pack_plan.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/stream_source.hpp"
#include "datasets/packing/spool.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/progress.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDecompressedAtOnce = std::size_t{1} << 20;
constexpr std::uint64_t kMaxClassBytes = std::uint64_t{8} << 30;  // held in memory; the largest has some 0.5

class ClassStream final : public StreamSource {
 public:
  ClassStream(const std::string& kind, const fs::path& path, const SourceOptions& options)
      : file_(path, File::Mode::read), options_(options) {
    if (!options.devkit.empty()) {
      throw Error(ExitCode::refused, fmt::format("--devkit with the compressed {}", path.string()),
                  way_out_of(compression_of(path)));
    }
    identity_ =
        fmt::format("{} stream {}\n{}\n", kind, fingerprint_of_stream(file_), options.partition.text());
    const double bytes = static_cast<double>(file_.size()) * options.partition.expected_share();
    shards_ = shard_count(static_cast<std::uint64_t>(bytes), options.shard_bytes);
  }

 private:
  struct Class {
    std::string wnid;
    bool kept = false;
    std::uint64_t files = 0, selected = 0;
  };

  void sort_into(const fs::path& folder) const override {
    std::string stray;
    std::vector<std::string> tars;  // that are no class's
    SpoolWriter writer(folder, shards_);
    FileRange range(file_, 0, file_.size());
    const std::string name = file_.path().string();
    const auto plain = decompress(range, compression_of(file_.path()), name);
    ArchiveReader outer(*plain, name, kDecompressedAtOnce);
    Progress progress("sort the stream", "MB", file_.size() / 1'000'000, options_.progress);
    std::uint64_t shown = 0;
    std::vector<Class> classes;
    while (const auto member = outer.next()) {
      const auto wnid = wnid_of_archive(member->name);
      refuse_compressed_class(name, member->name);
      if (wnid && member->is_file) {
        classes.push_back(sort_class(*wnid, outer, static_cast<std::uint32_t>(classes.size()), writer));
      } else {
        if (stray.empty()) stray = member->name;
        if (member->name.find(".tar") != std::string::npos) tars.push_back(printable(member->name));
        if (options_.partition.takes_strays()) writer.add(stray_item(member->name, member->bytes), {});
      }
      const std::uint64_t done = range.done() / 1'000'000;
      progress.add(done - shown);
      shown = done;
    }
    if (classes.empty()) throw no_class_archives(file_.path().string(), printable(stray));
    for (const std::string& tar : tars) {
      refuse_part_of_class(name, tar, [&](const std::string& wnid) {
        return std::ranges::find(classes, wnid, &Class::wnid) != classes.end();
      });
    }
    writer.finish(contents_of(classes));
  }

  // One class is held in memory: only its end tells which of its files belong to this part of the data.
  Class sort_class(const std::string& wnid, ArchiveReader& outer, std::uint32_t number,
                   SpoolWriter& writer) const {
    MemberStream stream(outer);
    ArchiveReader inner(stream, fmt::format("{}: {}.tar", file_.path().string(), wnid), kDecompressedAtOnce);
    std::vector<ArchiveMember> members;
    std::vector<std::vector<std::byte>> contents;
    std::uint64_t held = 0;
    while (auto member = inner.next()) {
      member->position = contents.size();
      const bool readable = member->is_file && member->bytes <= kMaxImageFileBytes;
      contents.push_back(readable ? inner.read_all(kMaxImageFileBytes) : std::vector<std::byte>{});
      held += contents.back().size();
      members.push_back(std::move(*member));
      if (held > kMaxClassBytes) {
        throw Error(ExitCode::refused,
                    fmt::format("{}: {}.tar: more than 8 GiB in one class", file_.path().string(), wnid),
                    way_out_of(compression_of(file_.path())));
      }
    }
    const auto items = class_items(wnid, members, options_.partition);
    if (!items) return {wnid, false, members.size()};
    for (SourceItem item : *items) {
      const auto& bytes = contents[item.place];
      item.label = number;
      writer.add(item,
                 item.flaw == Flaw::none ? std::span<const std::byte>(bytes) : std::span<const std::byte>());
    }
    return {wnid, true, members.size(), items->size()};
  }

  SpoolContents contents_of(const std::vector<Class>& classes) const {
    SpoolContents contents;
    contents.identity = identity_;
    std::uint64_t left_out = 0, files_left_out = 0, largest = 0, selected = 0;
    for (const Class& c : classes) {
      largest = std::max(largest, c.files);
      selected += c.selected;
      if (c.kept) {
        contents.classes.push_back({c.wnid, c.wnid});
      } else {
        ++left_out;
        files_left_out += c.files;
      }
    }
    std::ranges::sort(contents.classes, {}, &ClassEntry::wnid);
    const auto twice = std::ranges::adjacent_find(contents.classes, {}, &ClassEntry::wnid);
    if (twice != contents.classes.end()) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: {}.tar is there twice", file_.path().string(), twice->wnid));
    }
    for (const Class& c : classes) {
      const auto place = std::ranges::lower_bound(contents.classes, c.wnid, {}, &ClassEntry::wnid);
      contents.labels.push_back(static_cast<std::uint32_t>(place - contents.classes.begin()));
    }
    if (selected == 0 && !options_.partition.text().empty() && largest > 0) {
      throw empty_part(options_.partition, classes.size(), largest);
    }
    if (selected == 0) {
      throw Error(ExitCode::bad_data, fmt::format("{}: no images inside", file_.path().string()));
    }
    contents.selection = selection_text(options_.partition, left_out, files_left_out);
    return contents;
  }

  const File file_;
  const SourceOptions options_;
};

}  // namespace

std::unique_ptr<Source> open_class_stream(const std::string& kind, const fs::path& archive,
                                          const SourceOptions& options) {
  return std::make_unique<ClassStream>(kind, archive, options);
}

}  // namespace vitrail::datasets
