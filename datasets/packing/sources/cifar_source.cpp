#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/archives/compression.hpp"
#include "datasets/archives/file_tree.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSide = 32, kPlane = kSide * kSide, kPixels = 3 * kPlane;

// Of the two collections: which files, and what stands before an image's pixels.
struct Form {
  std::vector<std::string> train, test;
  std::string names;  // a class a line
  std::size_t label_bytes, label_at;
};

Form form_of(const std::string& kind, const SourceOptions& options) {
  if (kind == "cifar10") {
    if (!options.labels.empty()) {
      throw Error(ExitCode::refused,
                  fmt::format("--labels {}: cifar10 has one kind of labels", options.labels),
                  "leave --labels out");
    }
    return {
        {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
        {"test_batch.bin"},
        "batches.meta.txt",
        1,
        0};
  }
  const bool coarse = options.labels == "coarse";
  if (!coarse && !options.labels.empty() && options.labels != "fine") {
    throw Error(ExitCode::refused, fmt::format("--labels {}: cifar100 has fine and coarse", options.labels),
                "give --labels fine or --labels coarse");
  }
  return {{"train.bin"},
          {"test.bin"},
          coarse ? "coarse_label_names.txt" : "fine_label_names.txt",
          2,
          coarse ? std::size_t{0} : std::size_t{1}};
}

class CifarSource final : public ListedSource {
 public:
  CifarSource(const std::string& kind, const fs::path& path, const SourceOptions& options)
      : form_(form_of(kind, options)) {
    require_path(path);
    require_split(options, {"train", "test"});
    const std::vector<std::string>& wanted = options.split == "train" ? form_.train : form_.test;
    std::map<std::string, std::vector<std::byte>> files = read_files(path, wanted);
    add_classes(path, files);
    kind_ = kind;
    if (form_.label_bytes == 2)
      selection_ = "labels: " + std::string(form_.label_at == 0 ? "coarse" : "fine");
    for (const std::string& name : wanted) {
      if (!files.contains(name)) throw missing(path, name, wanted);
      add_file(path, name, std::move(files[name]));
    }
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override {
    const std::byte* planes = batches_[item.place >> 32].data() + (item.place & 0xffffffff);
    Image image{kSide, kSide, {}};
    image.rgb.resize(kPixels);
    for (std::size_t i = 0; i < kPixels; ++i) {
      image.rgb[3 * (i % kPlane) + i / kPlane] = static_cast<std::uint8_t>(planes[i]);
    }
    return copied(encode_png(image));
  }

 private:
  Error missing(const fs::path& path, const std::string& name, const std::vector<std::string>& wanted) const {
    return {
        ExitCode::bad_data, fmt::format("{}: no {} inside", path.string(), name),
        fmt::format("take the binary version of the data set (its archive's name ends with -binary.tar.gz), "
                    "which holds {}",
                    fmt::join(wanted, ", "))};
  }

  // By their names alone, wherever they lie below the folder or in the archive.
  std::map<std::string, std::vector<std::byte>> read_files(const fs::path& path,
                                                           const std::vector<std::string>& wanted) const {
    std::map<std::string, std::vector<std::byte>> files;
    const auto add = [&](const std::string& name, const std::string& place, std::vector<std::byte> bytes) {
      if (files.emplace(name, std::move(bytes)).second) return;
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: {} is there twice, the second time as {}", path.string(), name, place),
                  "name the folder of one of them");
    };
    const auto is_wanted = [&](const std::string& file) {
      const std::string name = file.substr(file.rfind('/') + 1);
      return name == form_.names || std::ranges::find(wanted, name) != wanted.end() ? name : "";
    };
    if (fs::is_directory(path)) {
      for (const TreeFile& file : files_below(path)) {
        const std::string name = is_wanted(file.name);
        if (!name.empty() && file.is_file) {
          check_size(path, file.name, file.bytes);
          add(name, file.name, read_bytes(path / file.name));
        }
      }
      return files;
    }
    const File file(path, File::Mode::read);
    FileRange range(file, 0, file.size());
    const Compression compression = compression_of(path);
    const auto inside =
        compression == Compression::none ? nullptr : decompress(range, compression, path.string());
    ArchiveReader reader(inside ? *inside : range, path.string(), std::size_t{1} << 20);
    while (const auto member = reader.next()) {
      if (const std::string name = is_wanted(member->name); !name.empty())
        add(name, member->name, reader.read_all(kMaxBytes));
    }
    return files;
  }

  static void check_size(const fs::path& path, const std::string& name, std::uint64_t bytes) {
    if (bytes <= kMaxBytes) return;
    throw Error(ExitCode::bad_data,
                fmt::format("{}: {} bytes, more than any file of CIFAR's", (path / name).string(), bytes));
  }

  void add_classes(const fs::path& path, const std::map<std::string, std::vector<std::byte>>& files) {
    const auto found = files.find(form_.names);
    if (found == files.end()) throw missing(path, form_.names, {form_.names});
    std::istringstream lines(
        std::string(reinterpret_cast<const char*>(found->second.data()), found->second.size()));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!is_utf8(line)) {
        throw Error(ExitCode::bad_data, fmt::format("{}: {}: line {} is not UTF-8", path.string(),
                                                    form_.names, classes_.size() + 1));
      }
      if (!line.empty()) classes_.push_back({line, ""});
    }
  }

  void add_file(const fs::path& path, const std::string& name, std::vector<std::byte> bytes) {
    const std::size_t record = form_.label_bytes + kPixels;
    const std::string where = fmt::format("{}: {}", path.string(), name);
    if (bytes.empty() || bytes.size() % record != 0) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: {} bytes, no multiple of the {} of an image: it is cut, or something else",
                              where, bytes.size(), record),
                  "is the archive whole? Compare its size or checksum with the publisher's");
    }
    const std::string stem = name.substr(0, name.find('.'));
    for (std::size_t at = 0; at < bytes.size(); at += record) {
      const auto label = static_cast<std::uint32_t>(bytes[at + form_.label_at]);
      if (label >= classes_.size()) {
        throw Error(ExitCode::bad_data, fmt::format("{}: image {} has the label {}, of {} classes", where,
                                                    at / record, label, classes_.size()));
      }
      const std::uint64_t place = (std::uint64_t{batches_.size()} << 32) | (at + form_.label_bytes);
      listing_.add({fmt::format("{}/{:05}", stem, at / record), label, kPixels, place, Flaw::none});
    }
    kind_ += " " + hash_bytes(bytes).hex();
    batches_.push_back(std::move(bytes));
  }

  static constexpr std::uint64_t kMaxBytes = std::uint64_t{256} << 20;  // the largest has 154 MB

  const Form form_;
  std::vector<std::vector<std::byte>> batches_;
};

}  // namespace

std::unique_ptr<Source> open_cifar_source(const std::string& kind, const std::string& path,
                                          const SourceOptions& options) {
  return std::make_unique<CifarSource>(kind, path, options);
}

}  // namespace vitrail::datasets
