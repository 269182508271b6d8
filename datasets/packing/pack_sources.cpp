#include "datasets/packing/pack_sources.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/archives/compression.hpp"
#include "datasets/packing/foreign_source.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "datasets/packing/parquet/parquet_source.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

enum Takes : unsigned { kNothing = 0, kDevkit = 1, kRule = 2, kLabels = 4, kNames = 8 };

// What can be packed: one row for each kind.
struct Kind {
  std::string_view name;
  std::string_view form;  // behind the colon, and what it is
  unsigned takes;         // of the options that few kinds have
  std::unique_ptr<Source> (*open)(const std::string& kind, const std::string& path,
                                  const SourceOptions& options);
};

std::unique_ptr<Source> open_archives(const std::string& kind, const std::string& path,
                                      const SourceOptions& options) {
  require_path(path);
  const Compression compression = compression_of(path);
  if (compression == Compression::none) return open_class_archives(kind, path, options);
  if (is_stream(compression)) return open_class_stream(kind, path, options);
  throw Error(ExitCode::bad_data, fmt::format("a {} archive, not a tar", name_of(compression)),
              way_out_of(compression));
}

template <auto open>
std::unique_ptr<Source> opened(const std::string& /*kind*/, const std::string& path,
                               const SourceOptions& options) {
  return open(path, options);
}

template <auto read>
std::unique_ptr<Source> listed(const std::string& /*kind*/, const std::string& path,
                               const SourceOptions& options) {
  return open_labelled_files(read(path, options), options);
}

constexpr Kind kKinds[] = {
    {"imagenet-train", "TAR|DIR|TAR.GZ", kDevkit, open_archives},
    {"imagenet-val", "TAR", kDevkit, opened<open_imagenet_val>},
    {"imagenet-21k", "TAR|DIR|TAR.GZ", kRule, open_archives},
    {"imagenet-hf", "DIR|TAR.GZ (Hugging Face's)", kDevkit, opened<open_huggingface_source>},
    {"imagenet-kaggle", "DIR (Kaggle's)", kNothing, listed<read_kaggle_imagenet>},
    {"folder", "DIR (a folder for each class)", kNothing, opened<open_folder_source>},
    {"images", "DIR (all below it, without labels)", kNothing, opened<open_image_tree>},
    {"flat", "DIR,LABELS (one folder and a list FILE,LABEL)", kDevkit, opened<open_flat_source>},
    {"csv", "LIST[,DIR] (a table of paths and labels)", kDevkit | kLabels | kNames, listed<read_csv_list>},
    {"wds", "DIR|TARS (WebDataset's, x-{00..99}.tar)", kLabels | kNames, opened<open_webdataset_source>},
    {"cifar10", "DIR|TAR.GZ", kLabels, open_cifar_source},
    {"cifar100", "DIR|TAR.GZ", kLabels, open_cifar_source},
    {"flowers102", "DIR", kNothing, listed<read_flowers102>},
    {"cars", "DIR", kNothing, listed<read_cars>},
    {"food101", "DIR", kNothing, listed<read_food101>},
    {"inaturalist", "JSON (train2018.json)", kLabels, listed<read_inaturalist>},
    {"parquet", "DIR|FILES (Hugging Face's)", kLabels | kNames, opened<open_parquet_source>},
    {"idx", "IMAGES,LABELS", kNothing, opened<open_idx_source>}};

void refuse_foreign_options(const Kind& kind, const SourceOptions& options) {
  struct Asked {
    bool is_asked;
    Takes what;
    const char* option;
    const char* hint;
  };
  const Asked all[] = {{!options.devkit.empty(), kDevkit, "--devkit", "it belongs to {}"},
                       {!options.partition.text().empty(), kRule, "a rule for validation",
                        "such rules cut {}; other sources have splits of their own"},
                       {!options.labels.empty(), kLabels, "--labels", "{} have several kinds of labels"},
                       {!options.class_names.empty(), kNames, "--class-names", "it belongs to {}"}};
  for (const Asked& asked : all) {
    if (!asked.is_asked || (kind.takes & asked.what) != 0) continue;
    std::vector<std::string_view> takers;
    for (const Kind& other : kKinds) {
      if ((other.takes & asked.what) != 0) takers.push_back(other.name);
    }
    throw Error(ExitCode::refused, fmt::format("not with {}", asked.option),
                fmt::format(fmt::runtime(asked.hint), fmt::join(takers, ", ")));
  }
  if (options.labels == kNoLabels && !options.class_names.empty()) {
    throw Error(ExitCode::refused, "--class-names with --labels none: without labels there are no classes",
                "leave one of them out");
  }
}

}  // namespace

std::string source_forms() {
  std::vector<std::string> forms;
  for (const Kind& kind : kKinds) forms.push_back(fmt::format("{}:{}", kind.name, kind.form));
  return fmt::format("{}", fmt::join(forms, ", "));
}

bool is_packed_source(const std::string& source) {
  return std::ranges::any_of(kKinds, [&](const Kind& kind) {
    return source.starts_with(kind.name) && source.substr(kind.name.size()).starts_with(':');
  });
}

std::unique_ptr<Source> open_source(const SourceOptions& options) {
  const auto colon = options.source.find(':');
  const std::string name = options.source.substr(0, colon);
  const std::string path = colon == std::string::npos ? "" : options.source.substr(colon + 1);
  if (const auto foreign = foreign_source(options.source)) {
    throw Error(ExitCode::usage, foreign->what, foreign->way);
  }
  const auto kind = std::ranges::find(kKinds, name, &Kind::name);
  if (kind != std::end(kKinds) && !path.empty()) {
    refuse_foreign_options(*kind, options);
    return kind->open(name, path, options);
  }
  const bool is_missing = colon == std::string::npos && !std::filesystem::exists(options.source);
  throw Error(
      ExitCode::usage,
      fmt::format("not one that can be packed{}", is_missing ? ", and there is no such file or folder" : ""),
      "sources are " + source_forms());
}

}  // namespace vitrail::datasets
