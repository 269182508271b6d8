#include "datasets/pack/pack_format.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {
namespace {

class ImageTree final : public ListedSource {
 public:
  ImageTree(std::filesystem::path folder, const SourceOptions& options) : folder_(std::move(folder)) {
    kind_ = "images";
    require_folder(folder_, "one of images");
    if (std::filesystem::exists(folder_ / kManifestFile))
      throw Error(ExitCode::bad_data, folder_.string() + ": a pack, and no folder of images",
                  "a pack is given by its folder alone: " + folder_.string());
    for (const TreeFile& file : files_below(folder_)) {
      listing_.add({file.name, 0, file.bytes, 0, flaw_in_tree(file, file.name)});
    }
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override { return read_image_file(folder_ / item.key); }

 private:
  const std::filesystem::path folder_;
};

}  // namespace

std::unique_ptr<Source> open_image_tree(const std::filesystem::path& folder, const SourceOptions& options) {
  return std::make_unique<ImageTree>(folder, options);
}

}  // namespace vitrail::datasets
