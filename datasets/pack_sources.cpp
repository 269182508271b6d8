#include "datasets/pack_sources.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "datasets/codec.hpp"
#include "datasets/file_tree.hpp"
#include "datasets/idx_file.hpp"
#include "trainer/base/atomic_file.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

bool is_wnid(const std::string& name) {
  return name.size() == 9 && name[0] == 'n' &&
         std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class FolderSource final : public Source {
 public:
  explicit FolderSource(const std::string& folder) : folder_(folder) {
    for (const auto& entry : sorted_entries(folder_)) {
      const std::string name = utf8_name(entry);
      std::error_code ignored;  // what cannot be looked at is no folder
      if (name.starts_with('.') || !entry.is_directory(ignored)) {
        items_.push_back({name, 0, 0, "not in the folder of a class"});
        continue;
      }
      const auto label = static_cast<std::uint32_t>(classes_.size());
      classes_.push_back({name, is_wnid(name) ? name : ""});
      add_folder(entry.path(), name, label);
    }
    if (classes_.empty()) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: no folder inside, but there should be one per class", folder));
    }
  }

  std::string identity() const override {
    Hasher hasher;
    for (const SourceItem& item : items_) {
      const std::string line = fmt::format("{}\n{} {}\n", item.key, item.label, item.bytes);
      hasher.update(std::as_bytes(std::span(line)));
    }
    return "folder " + hasher.digest().hex();
  }

  std::vector<std::byte> read(std::size_t item) const override {
    const File file(folder_ / items_[item].key, File::Mode::read);
    std::vector<std::byte> bytes(file.size());
    file.read_at(0, bytes);
    return bytes;
  }

 private:
  void add_folder(const fs::path& folder, const std::string& name, std::uint32_t label) {
    for (const TreeFile& file : files_below(folder))
      items_.push_back({name + "/" + file.name, label, file.bytes, file.is_file ? nullptr : "not a file"});
  }

  const fs::path folder_;
};

class IdxSource final : public Source {
 public:
  IdxSource(const std::string& images, const std::string& labels)
      : images_(read_idx(images, 3)), labels_(read_idx(labels, 1)) {
    if (images_.shape[0] != labels_.shape[0]) {
      throw Error(ExitCode::bad_data, fmt::format("{} holds {} images but {} holds {} labels", images,
                                                  images_.shape[0], labels, labels_.shape[0]));
    }
    if (labels_.values.empty() || pixels() == 0)
      throw Error(ExitCode::bad_data, images + ": no images inside");
    for (std::size_t i = 0; i < labels_.values.size(); ++i) {
      items_.push_back({fmt::format("{:08}", i), labels_.values[i], pixels(), nullptr});
    }
    const int classes = *std::ranges::max_element(labels_.values) + 1;
    for (int c = 0; c < classes; ++c) classes_.push_back({std::to_string(c), ""});
  }

  std::string identity() const override {
    return fmt::format("idx {} x {} {} {}", images_.shape[1], images_.shape[2],
                       hash_bytes(std::as_bytes(std::span(images_.values))).hex(),
                       hash_bytes(std::as_bytes(std::span(labels_.values))).hex());
  }

  std::vector<std::byte> read(std::size_t item) const override {
    Image image{static_cast<int>(images_.shape[2]), static_cast<int>(images_.shape[1]), {}};
    const std::uint8_t* grey = images_.values.data() + item * pixels();
    image.rgb.resize(pixels() * 3);
    for (std::size_t i = 0; i < pixels(); ++i) std::fill_n(&image.rgb[3 * i], 3, grey[i]);
    return encode_png(image);
  }

 private:
  std::size_t pixels() const { return images_.shape[1] * images_.shape[2]; }

  const IdxArray images_, labels_;
};

}  // namespace

std::unique_ptr<Source> open_source(const std::string& source) {
  if (source.starts_with("folder:") && source.size() > 7)
    return std::make_unique<FolderSource>(source.substr(7));
  const auto comma = source.find(',');
  if (source.starts_with("idx:") && comma != std::string::npos) {
    return std::make_unique<IdxSource>(source.substr(4, comma - 4), source.substr(comma + 1));
  }
  throw Error(ExitCode::usage, fmt::format("source {}: not one that can be packed", source),
              "sources are folder:DIR (a folder per class) and idx:IMAGES,LABELS");
}

}  // namespace vitrail::datasets
