#include <algorithm>

#include <fmt/format.h>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/archives/compression.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/imagenet_devkit.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

class ImagenetVal final : public ListedSource {
 public:
  ImagenetVal(const std::filesystem::path& archive, const SourceOptions& options)
      : archive_(checked(archive, options), File::Mode::read) {
    const ImagenetDevkit kit = read_devkit(options.devkit);
    std::vector<ArchiveMember> members = list_tar(archive_, 0, archive_.size(), archive.string());
    if (members.size() != kit.validation.size()) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{} holds {} files, but {} has labels for {}", archive.string(), members.size(),
                              options.devkit.string(), kit.validation.size()),
                  !members.empty() && wnid_of_archive(members.front().name)
                      ? fmt::format("{} is the archive of a class: --source imagenet-train:{}",
                                    members.front().name, archive.string())
                      : "archive and --devkit must be of the same year: ILSVRC2012_img_val.tar has 50000");
    }
    std::ranges::sort(members, {}, &ArchiveMember::name);  // line n of the labels is the n-th name
    for (std::size_t i = 0; i < members.size(); ++i) {
      const ArchiveMember& member = members[i];
      const bool unusable = flaw_of(member.name, 0, true) != Flaw::none;
      if (unusable || (i > 0 && member.name == members[i - 1].name)) {
        throw Error(ExitCode::bad_data, fmt::format("{}: {}: an odd name, or one that is there twice",
                                                    archive.string(), printable(member.name)));
      }
      const Flaw flaw = flaw_of(member.name, member.bytes, member.is_file);
      listing_.add({member.name, kit.validation[i], member.bytes, member.position, flaw});
    }
    classes_ = kit.classes;
    kind_ = "imagenet-val";
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override {
    Bytes bytes(item.bytes);
    archive_.read_at(item.place, bytes);
    return bytes;
  }

 private:
  static const std::filesystem::path& checked(const std::filesystem::path& archive,
                                              const SourceOptions& options) {
    if (options.devkit.empty()) {
      throw Error(ExitCode::refused, "its labels are in the devkit",
                  "give --devkit ILSVRC2012_devkit_t12.tar.gz");
    }
    require_file(archive, "a tar of images");
    if (const Compression compression = compression_of(archive); compression != Compression::none) {
      throw Error(ExitCode::bad_data, fmt::format("is compressed ({})", name_of(compression)),
                  way_out_of(compression) + "; ILSVRC2012_img_val.tar comes as a plain tar");
    }
    return archive;
  }

  const File archive_;
};

}  // namespace

std::unique_ptr<Source> open_imagenet_val(const std::filesystem::path& archive,
                                          const SourceOptions& options) {
  return std::make_unique<ImagenetVal>(archive, options);
}

}  // namespace vitrail::datasets
