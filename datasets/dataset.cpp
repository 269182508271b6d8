#include "datasets/dataset.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "datasets/archives/file_tree.hpp"
#include "datasets/image_folder.hpp"
#include "datasets/pack/pack_format.hpp"
#include "datasets/pack_dataset.hpp"
#include "datasets/packing/foreign_source.hpp"
#include "datasets/packing/pack_sources.hpp"
#include "datasets/source_dataset.hpp"
#include "datasets/subsets/class_subset.hpp"
#include "datasets/subsets/coarse_classes.hpp"
#include "datasets/subsets/relabelled.hpp"
#include "datasets/subsets/sample_subset.hpp"
#include "datasets/synthetic_dataset.hpp"
#include "datasets/tensor_dataset.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

std::string Dataset::name(std::int64_t index) const { return std::to_string(index); }

std::string Dataset::place(std::int64_t index) const {
  return fmt::format("{}: sample {}", describe(), index);
}

std::unique_ptr<const Extent> Dataset::read_extent(std::int64_t, std::int64_t) const { return nullptr; }

std::string Dataset::class_id(std::int64_t label) const { return class_name(label); }

namespace {

std::shared_ptr<const Dataset> open_of_kind(const std::string& source, const OpenOptions& options) {
  if (const auto foreign = foreign_source(source)) throw Error(ExitCode::usage, foreign->what, foreign->way);
  std::error_code ignored;
  if (std::filesystem::is_directory(source, ignored)) return open_pack_dataset(source, options);
  if (!options.stage_dir.empty()) {
    throw Error(ExitCode::refused,
                fmt::format("not with data.stage_dir = {}: only packs are staged", options.stage_dir),
                "leave data.stage_dir out");
  }
  if (source.starts_with("tensor:")) return open_tensor_dataset(source.substr(7), Labels::optional);
  if (source.starts_with("synthetic:")) return open_synthetic_dataset(source.substr(10));
  if (is_direct_source(source)) {
    return open_source_dataset(source, options.labels.empty() ? Labels::optional : Labels::unused);
  }
  if (is_packed_source(source)) {
    throw Error(
        ExitCode::refused, "not read without a pack",
        fmt::format("`vitrail pack --source '{}' --output PACK` makes one (with --split, where it has "
                    "several); then give its folder",
                    source));
  }
  const bool is_tar = source.ends_with(".tar") && std::filesystem::exists(source, ignored);
  throw Error(ExitCode::usage,
              is_tar ? fmt::format("a tar: samples of images and labels are wds:{}", source)
                     : "no such folder, and no source of images",
              fmt::format("a source is the folder of a pack, {}, tensor:FILE.safetensors or "
                          "synthetic:N,CLASSES,SIZE; of other collections make a pack (vitrail pack --help)",
                          direct_source_forms()));
}

// "photos" for "folder:photos".
void refuse_plain_folder(const std::string& source) {
  const std::filesystem::path folder = source;
  std::error_code unreadable;
  if (!std::filesystem::is_directory(folder, unreadable)) return;
  if (std::filesystem::exists(folder / kManifestFile, unreadable)) return;
  throw Error(ExitCode::bad_data,
              fmt::format("no {} here: not a pack, or one that is not finished", kManifestFile),
              fmt::format("images in a folder are looked at as folder:{}", source));
}

std::shared_ptr<const Dataset> open_unlabelled_of_kind(const std::string& source,
                                                       const OpenOptions& options) {
  if (const auto foreign = foreign_source(source)) throw Error(ExitCode::usage, foreign->what, foreign->way);
  if (source.starts_with("folder:")) return open_image_folder(source.substr(7));
  if (source.starts_with("tensor:")) return open_tensor_dataset(source.substr(7), Labels::unused);
  if (source.starts_with("wds:")) return open_source_dataset(source, Labels::unused);
  refuse_plain_folder(source);
  return open_of_kind(source, options);
}

bool is_folder_of_classes(const std::string& source) {
  constexpr std::string_view kKind = "folder:";
  if (!source.starts_with(kKind)) return false;
  const std::filesystem::path folder = source.substr(kKind.size());
  std::error_code unreadable;
  return std::ranges::any_of(std::filesystem::directory_iterator(folder, unreadable),
                             std::filesystem::directory_iterator(), [&](const auto& entry) {
                               const std::string name = entry.path().filename().string();
                               return entry.is_directory(unreadable) && !name.starts_with('.') &&
                                      !is_system_folder(name);
                             });
}

// Errors say which source is meant, and how it was given.
template <class Open>
std::shared_ptr<const Dataset> asked_for(const Open& open, const std::string& source,
                                         const OpenOptions& options) {
  try {
    return open(source, options);
  } catch (const Error& e) {
    throw e.in(fmt::format("{} {}", options.given_as, source));
  }
}

// Some of it, or with other labels.
std::shared_ptr<const Dataset> part_of(std::shared_ptr<const Dataset> dataset, const OpenOptions& options) {
  if (!options.labels.empty()) dataset = relabel(std::move(dataset), options.labels);
  if (!options.classes.empty()) dataset = keep_classes(std::move(dataset), options.classes);
  if (!options.subset.part.empty()) dataset = keep_subset(std::move(dataset), options.subset);
  if (!options.coarse.empty()) dataset = coarsen(std::move(dataset), options.coarse);
  return dataset;
}

}  // namespace

std::shared_ptr<const Dataset> open_dataset(const std::string& source, const OpenOptions& options) {
  return part_of(asked_for(open_of_kind, source, options), options);
}

std::shared_ptr<const Dataset> open_unlabelled(const std::string& source, const OpenOptions& options) {
  auto dataset = asked_for(open_unlabelled_of_kind, source, options);
  const bool has_classes = dataset->classes() > 0 && !source.starts_with("tensor:");
  return has_classes ? part_of(std::move(dataset), options) : dataset;
}

std::shared_ptr<const Dataset> open_shown(const std::string& source, const OpenOptions& options) {
  return is_folder_of_classes(source) ? open_dataset(source, options) : open_unlabelled(source, options);
}

}  // namespace vitrail::datasets
