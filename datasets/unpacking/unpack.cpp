#include "datasets/unpacking/unpack.hpp"

#include <algorithm>
#include <atomic>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/parallel.hpp"
#include "datasets/pack/shard_reader.hpp"
#include "datasets/packing/webdataset/webdataset_tar.hpp"
#include "datasets/unpacking/image_names.hpp"
#include "datasets/unpacking/tar_writer.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/text/progress.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

void require_new(const fs::path& output) {
  if (!fs::exists(output) || (fs::is_directory(output) && fs::is_empty(output))) return;
  throw Error(ExitCode::refused, fmt::format("--output {}: is there already", output.string()),
              "name a new folder: nothing is written over, and nothing is mixed");
}

class Unpacking {
 public:
  explicit Unpacking(const UnpackOptions& options)
      : options_(options),
        index_(options.pack),
        progress_("unpack", "images", index_.manifest().images, options.progress) {
    index_.check_shards();
    require_new(options.output);
    if (options.format == UnpackFormat::folder) refuse_odd_keys();
    make_directories(options.output);
  }

  UnpackReport into_folders() {
    const std::vector<std::string> folders = class_folders(index_.manifest().classes);
    for (const std::string& folder : folders) make_directories(options_.output / folder);  // also of no image
    parallel_for(shards(), options_.threads, [&](std::size_t shard) {
      each_image(shard, [&](std::uint64_t image, const std::string& key, const Bytes& bytes) {
        const std::string folder = folders.empty() ? "" : folders[index_.label(image)];
        const fs::path path = options_.output / path_in_folder(key, folder, bytes);
        make_directories(path.parent_path());
        File file(path, File::Mode::create_new);
        file.write(bytes);
        file.close();
      });
    });
    if (!are_in_order(folders)) {
      report_.warnings.push_back(fmt::format(
          "{}: classes in the order of these names have other labels than in {}; --format wds keeps "
          "them, and so does data.classes with a list of the names",
          options_.output.string(), options_.pack.string()));
    }
    return finished();
  }

  UnpackReport into_tars() {
    const bool has_labels = !index_.manifest().classes.empty();
    if (has_labels) write_text_atomically(options_.output / "classes.txt", class_list());
    parallel_for(shards(), options_.threads, [&](std::size_t shard) {
      TarWriter tar(options_.output / fmt::format("{}-{:06}.tar", tar_stem(), shard));
      SampleNames names;
      each_image(shard, [&](std::uint64_t image, const std::string& key, const Bytes& bytes) {
        const SampleNames::Name name = names.of(key, image, bytes);
        tar.add(name.image, bytes);
        if (has_labels) tar.add(name.sample + ".cls", bytes_of(std::to_string(index_.label(image))));
        if (name.needs_key) tar.add(fmt::format("{}.{}", name.sample, kKeyEnding), bytes_of(key));
      });
      tar.finish();
    });
    report_.tars = shards();
    return finished();
  }

 private:
  // Before anything is written.
  void refuse_odd_keys() const {
    std::vector<std::string> odd(shards());
    std::atomic<std::uint64_t> count = 0;
    parallel_for(shards(), options_.threads, [&](std::size_t shard) {
      for (std::uint64_t image = index_.first_image(shard); image < index_.first_image(shard + 1); ++image) {
        const std::string key = reader_.key(image);
        if (is_path_below(key)) continue;
        if (odd[shard].empty()) odd[shard] = printable(key);
        ++count;
      }
    });
    if (count == 0) return;
    const auto first = std::ranges::find_if_not(odd, &std::string::empty);
    throw Error(ExitCode::bad_data,
                fmt::format("{}: {} keys are no paths below a folder; the first: {}", options_.pack.string(),
                            count.load(), *first),
                "unpack with --format wds, where samples are numbered and keys written beside them");
  }

  std::size_t shards() const { return index_.manifest().shards.size(); }

  template <class Use>
  void each_image(std::size_t shard, const Use& use) {
    for (std::uint64_t image = index_.first_image(shard); image < index_.first_image(shard + 1); ++image) {
      const Bytes bytes = reader_.record(image);
      use(image, reader_.key(image), bytes);
      progress_.add(1, bytes.size());
      bytes_ += bytes.size();
    }
  }

  UnpackReport finished() {
    if (const std::uint64_t missing = index_.manifest().quarantined; missing > 0) {
      report_.warnings.push_back(
          fmt::format("{}: {} files were quarantined when it was packed and are not in it; a pack of what is "
                      "written now may be cut into other shards",
                      options_.pack.string(), missing));
    }
    report_.images = index_.manifest().images;
    report_.bytes = bytes_;
    return report_;
  }

  // As `pack` orders such folders: by number where all are numbers.
  static bool are_in_order(const std::vector<std::string>& folders) {
    const bool by_number = std::ranges::all_of(folders, [](const std::string& name) {
      return name.find_first_not_of("0123456789") == std::string::npos;
    });
    return std::ranges::is_sorted(folders, {}, [&](const std::string& name) {
      return std::pair(by_number ? name.size() : std::size_t{0}, name);
    });
  }

  std::string tar_stem() const {
    std::string stem = index_.manifest().split;
    std::ranges::replace(stem, '/', '_');
    return stem;
  }

  std::string class_list() const {
    std::string list;
    for (const ClassEntry& entry : index_.manifest().classes) {
      if (entry.name.find('\n') != std::string::npos) {
        throw Error(ExitCode::refused, fmt::format("the class {} has a line break in its name", entry.name),
                    "unpack with --format folder");
      }
      list += entry.wnid.empty() || entry.wnid == entry.name ? entry.name : entry.wnid + " " + entry.name;
      list += "\n";
    }
    return list;
  }

  const UnpackOptions& options_;
  const PackIndex index_;
  const ShardReader reader_{index_};
  Progress progress_;
  std::atomic<std::uint64_t> bytes_ = 0;
  UnpackReport report_;
};

}  // namespace

UnpackReport unpack(const UnpackOptions& options) try {
  Unpacking unpacking(options);
  return options.format == UnpackFormat::folder ? unpacking.into_folders() : unpacking.into_tars();
} catch (const fs::filesystem_error& e) {
  throw io_error("cannot write", e.path1(), e.code().value());
}

}  // namespace vitrail::datasets
