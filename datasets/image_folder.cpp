#include "datasets/image_folder.hpp"

#include <fmt/format.h>

#include "datasets/archives/file_tree.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/pack/pack_format.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

class ImageFolder final : public Dataset {
 public:
  explicit ImageFolder(const std::filesystem::path& folder) : folder_(folder) {
    for (const TreeFile& file : files_below(folder, OddNames::kept)) {
      if ((file.is_file || file.is_dangling) && !is_hidden(file.name) && !is_in_system_folder(file.name))
        names_.push_back(file.name);
    }
    if (names_.empty()) throw Error(ExitCode::bad_data, fmt::format("{}: no files there", folder.string()));
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(names_.size()); }
  std::int64_t classes() const override { return 0; }
  std::string class_name(std::int64_t label) const override { return std::to_string(label); }
  std::int64_t label(std::int64_t) const override { return 0; }
  std::string name(std::int64_t index) const override {
    const std::string& raw = raw_name(index);
    return is_utf8(raw) ? raw : printable(raw);
  }

  std::string place(std::int64_t index) const override { return (folder_ / name(index)).string(); }

  // What cannot be read is that one image's damage: others lie in files of their own.
  Sample read(std::int64_t index) const override {
    const std::string& raw = raw_name(index);
    if (!is_utf8(raw)) {
      throw DamagedRecord(
          {ExitCode::bad_data, fmt::format("{}: the name is not UTF-8", place(index)), "rename the file"});
    }
    try {
      return {.encoded = read_image_file(folder_ / raw), .image = {}, .tensor = {}};
    } catch (const Error& e) {
      throw DamagedRecord({ExitCode::bad_data, e.what(), e.hint()});
    }
  }

  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override {
    Hasher hasher;
    for (const std::string& name : names_) hasher.update(std::as_bytes(std::span(name)));
    return hasher.digest().hex();
  }
  std::string describe() const override { return "folder:" + folder_.string(); }

 private:
  const std::string& raw_name(std::int64_t index) const { return names_.at(static_cast<std::size_t>(index)); }

  const std::filesystem::path folder_;
  std::vector<std::string> names_;
};

}  // namespace

std::shared_ptr<const Dataset> open_image_folder(const std::filesystem::path& folder) {
  return std::make_shared<const ImageFolder>(folder);
}

}  // namespace vitrail::datasets
