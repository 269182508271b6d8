#include "datasets/packing/pack_sources.hpp"

#include <fmt/format.h>

#include "datasets/archives/compression.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

void refuse_foreign_options(const std::string& kind, const SourceOptions& options) {
  if (!options.devkit.empty() && kind != "imagenet-train" && kind != "imagenet-val" &&
      kind != "imagenet-hf" && kind != "flat") {
    throw Error(ExitCode::refused, fmt::format("--devkit with source {}", options.source),
                "the devkit belongs to imagenet-train, imagenet-val, imagenet-hf and flat");
  }
  if (!options.partition.text().empty() && kind != "imagenet-21k") {
    throw Error(ExitCode::refused, fmt::format("a rule for validation with source {}", options.source),
                "such rules cut imagenet-21k; other sources have splits of their own");
  }
}

}  // namespace

std::unique_ptr<Source> open_source(const SourceOptions& options) {
  const auto colon = options.source.find(':');
  const std::string kind = options.source.substr(0, colon);
  const std::string path = colon == std::string::npos ? "" : options.source.substr(colon + 1);
  refuse_foreign_options(kind, options);
  if (!path.empty()) {
    if (kind == "folder") return open_folder_source(path, options);
    if (kind == "flat") return open_flat_source(path, options);
    if (kind == "imagenet-hf") return open_huggingface_source(path, options);
    if (kind == "idx") return open_idx_source(path, options);
    if (kind == "imagenet-val") return open_imagenet_val(path, options);
    if (kind == "imagenet-train" || kind == "imagenet-21k") {
      require_path("--source " + options.source, path);
      const Compression compression = compression_of(path);
      if (compression == Compression::none) return open_class_archives(kind, path, options);
      if (is_stream(compression)) return open_class_stream(kind, path, options);
      throw Error(ExitCode::bad_data,
                  fmt::format("--source {}: a {} archive, not a tar", options.source, name_of(compression)),
                  way_out_of(compression));
    }
  }
  const bool is_missing = colon == std::string::npos && !std::filesystem::exists(options.source);
  throw Error(ExitCode::usage,
              fmt::format("--source {}: not one that can be packed{}", options.source,
                          is_missing ? ", and there is no such file or folder" : ""),
              "sources are imagenet-train:TAR|DIR|TAR.GZ, imagenet-val:TAR, imagenet-21k:TAR|DIR|TAR.GZ, "
              "imagenet-hf:DIR|TAR.GZ,... (Hugging Face's), folder:DIR (a folder per class), "
              "flat:DIR,LABELS (one folder and a list of labels) and idx:IMAGES,LABELS");
}

}  // namespace vitrail::datasets
