#include <algorithm>
#include <filesystem>
#include <memory>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "datasets/archives/brace_pattern.hpp"
#include "datasets/archives/compression.hpp"
#include "datasets/archives/file_tree.hpp"
#include "datasets/pack/parallel.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "datasets/packing/webdataset/webdataset_tar.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr int kPositionBits = 44;           // of a place; the others are the tar's number
constexpr std::size_t kTarsKeptOpen = 512;  // beyond, one is opened for each image
constexpr const char* kNamesFile = "classes.txt";

class WebDatasetSource final : public ListedSource {
 public:
  WebDatasetSource(const std::string& pattern, const SourceOptions& options)
      : paths_(tars_of(pattern)), open_(paths_.size()) {
    kind_ = "wds";
    if (!options.labels.empty()) selection_ = "labels: " + options.labels;
    const bool has_none = options.labels == kNoLabels;
    std::vector<WebTar> tars = read_tars(options, !has_none && options.labelled != Labels::unused);
    const bool found = std::ranges::any_of(tars, [](const WebTar& tar) { return !tar.labels.met().empty(); });
    if (!found && options.labelled == Labels::optional) tars = read_tars(options, false);
    if (found) number_classes(tars, options);
    if (!found && !has_none && options.labelled == Labels::needed) throw no_label(options.labels);
    add(tars);
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override {
    const auto number = static_cast<std::size_t>(item.place >> kPositionBits);
    Bytes bytes(item.bytes);
    const auto tar =
        open_[number] ? open_[number] : std::make_shared<const File>(paths_[number], File::Mode::read);
    tar->read_at(item.place & ((std::uint64_t{1} << kPositionBits) - 1), bytes);
    return bytes;
  }

 private:
  static std::vector<fs::path> tars_of(const std::string& pattern) {
    std::vector<fs::path> paths;
    if (fs::is_directory(pattern)) {
      for (const auto& entry : sorted_entries(pattern)) {
        if (entry.path().extension() == ".tar") paths.push_back(entry.path());
      }
      if (paths.empty()) {
        throw Error(ExitCode::bad_data, fmt::format("{}: no tar inside", pattern),
                    "give wds: a folder of .tar files, or their names: wds:train-{0000..0146}.tar");
      }
    } else {
      for (const std::string& name : expand_braces(pattern)) paths.emplace_back(name);
    }
    for (const fs::path& path : paths) {
      require_file(path, "a tar of samples");
      if (const Compression compression = compression_of(path); compression != Compression::none) {
        throw Error(ExitCode::bad_data,
                    fmt::format("{}: is compressed ({})", path.string(), name_of(compression)),
                    way_out_of(compression) + "; images do not get smaller by it");
      }
    }
    auto sorted = paths;
    std::ranges::sort(sorted);
    if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
      throw Error(ExitCode::usage, fmt::format("names {} twice", twice->string()));
    }
    return paths;
  }

  std::vector<WebTar> read_tars(const SourceOptions& options, bool labels_needed) {
    std::vector<WebTar> tars(paths_.size());
    parallel_for(tars.size(), options.threads, [&](std::size_t i) {
      auto tar = std::make_shared<const File>(paths_[i], File::Mode::read);
      tars[i] = read_web_tar(*tar, {options.labels, labels_needed});
      if (paths_.size() <= kTarsKeptOpen) open_[i] = std::move(tar);
    });
    return tars;
  }

  static Error no_label(const std::string& field) {
    return {ExitCode::bad_data,
            fmt::format("no sample with a label{}",
                        field.empty() ? "" : " in a field " + field + " of its .json"),
            "a sample is x.jpg (or .jpeg, .png, .webp) and behind it x.cls, or x.json with a field label "
            "(vitrail pack --labels names another; --labels none packs images without)"};
  }

  // Labels as all tars have them, in the order of tars, then in that of samples: each tar's own numbers
  // become classes.
  void number_classes(std::vector<WebTar>& tars, const SourceOptions& options) {
    MetLabels all;
    std::vector<std::vector<std::uint32_t>> number(tars.size());
    for (std::size_t t = 0; t < tars.size(); ++t) {
      for (const MetLabels::Met& met : tars[t].labels.met()) {
        number[t].push_back(all.add(met.label, [&] { return met.place; }));
      }
    }
    KnownClasses known;
    const fs::path beside = paths_.front().parent_path() / kNamesFile;
    const fs::path names = options.class_names.empty() && fs::exists(beside) ? beside : options.class_names;
    if (!names.empty()) known = {read_class_names(names), names.string(), true};
    LabelClasses made = classes_of(all, known, options.source);
    for (std::size_t t = 0; t < tars.size(); ++t) {
      for (WebSample& sample : tars[t].samples) {
        if (sample.label) sample.label = made.index_of[number[t][*sample.label]];
      }
    }
    classes_ = std::move(made.classes);
    if (options.labelled != Labels::unused) warnings_ = std::move(made.warnings);
  }

  struct Met {
    std::uint64_t samples = 0;
    std::string first;

    void add(const std::string& key, const fs::path& tar) {
      if (samples++ == 0) first = fmt::format("{} in {}", printable(key), tar.string());
    }
  };

  void refuse_tars_of_one_name() const {
    std::unordered_map<std::string, const fs::path*> tar_of;
    for (const fs::path& path : paths_) {
      const auto [first, is_new] = tar_of.emplace(path.stem().string(), &path);
      if (is_new) continue;
      throw Error(ExitCode::bad_data,
                  fmt::format("{} and {} have the same name, and so have samples of different tars",
                              first->second->string(), path.string()),
                  "rename one of them: names of samples begin with their tar's then");
    }
  }

  // A name that two tars use is nobody's: then all names begin with their tar's.
  void add(const std::vector<WebTar>& tars) {
    bool shared = false;
    std::uint64_t more_images = 0;
    Met unlabelled, repeated;
    std::unordered_map<std::string_view, std::size_t> tar_of;
    for (std::size_t t = 0; t < tars.size(); ++t) {
      more_images += tars[t].more_images;
      for (const WebSample& sample : tars[t].samples) {
        if (sample.flaw == Flaw::no_label) unlabelled.add(sample.key, paths_[t]);
        const auto [first, is_new] = tar_of.emplace(sample.key, t);
        shared = shared || (!is_new && first->second != t);
      }
    }
    std::unordered_map<std::string_view, std::size_t>().swap(tar_of);
    if (shared) refuse_tars_of_one_name();
    for (std::size_t t = 0; t < tars.size(); ++t) {
      std::unordered_map<std::string_view, bool> seen;
      for (const WebSample& sample : tars[t].samples) {
        const bool is_new = seen.emplace(sample.key, true).second;
        std::string key = shared ? paths_[t].stem().string() + "/" + sample.key : sample.key;
        Flaw flaw = sample.flaw == Flaw::none ? flaw_of(key, sample.bytes, true) : sample.flaw;
        if (!is_new && flaw == Flaw::none) {
          flaw = Flaw::repeated_name;
          repeated.add(sample.key, paths_[t]);
        }
        if (flaw != Flaw::none) key = printable(key).substr(0, kMaxKeyBytes);
        const std::uint64_t place = (std::uint64_t{t} << kPositionBits) | sample.position;
        listing_.add({std::move(key), sample.label.value_or(0), sample.bytes, place, flaw});
      }
    }
    listing_.shrink();
    if (more_images > 0) {
      warnings_.push_back(
          fmt::format("{} samples have several images, of which one is taken: .jpg before .jpeg, "
                      ".png and .webp",
                      more_images));
    }
    if (repeated.samples > 0) {
      warnings_.push_back(fmt::format(
          "{} samples have the name of one before them in their tar and are left out; the first: {}",
          repeated.samples, repeated.first));
    }
    if (unlabelled.samples > 0) {
      warnings_.push_back(fmt::format("no label for {} samples, which are left out; the first: {}",
                                      unlabelled.samples, unlabelled.first));
    }
  }

  const std::vector<fs::path> paths_;
  std::vector<std::shared_ptr<const File>> open_;
};

}  // namespace

std::unique_ptr<Source> open_webdataset_source(const std::string& pattern, const SourceOptions& options) {
  return std::make_unique<WebDatasetSource>(pattern, options);
}

}  // namespace vitrail::datasets
