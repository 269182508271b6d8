#include "datasets/packing/sources/imagenet_devkit.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <optional>
#include <span>
#include <string>

#include <fmt/format.h>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/archives/compression.hpp"
#include "datasets/archives/file_tree.hpp"
#include "datasets/archives/matlab_file.hpp"
#include "datasets/packing/sources/class_archives.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMeta = "meta.mat";
constexpr const char* kLabels = "ILSVRC2012_validation_ground_truth.txt";
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 20;

struct KitFiles {
  std::optional<std::vector<std::byte>> meta, labels;

  std::optional<std::vector<std::byte>>* wanted(const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name == kMeta) return &meta;
    return name == kLabels ? &labels : nullptr;
  }
};

KitFiles files_of(const fs::path& path) {
  if (!fs::exists(path)) throw io_error("--devkit", path, ENOENT);
  KitFiles files;
  if (fs::is_directory(path)) {
    for (const TreeFile& found : files_below(path)) {
      auto* wanted = files.wanted(found.name);
      if (wanted == nullptr || !found.is_file || found.bytes > kMaxFileBytes) continue;
      const File file(path / found.name, File::Mode::read);
      wanted->emplace(file.size());
      file.read_at(0, **wanted);
    }
  } else {
    const File file(path, File::Mode::read);
    FileRange range(file, 0, file.size());
    const Compression compression = compression_of(path);
    const auto inside =
        compression == Compression::none ? nullptr : decompress(range, compression, path.string());
    ArchiveReader reader(inside ? *inside : range, path.string(), std::size_t{1} << 16);
    while (const auto member = reader.next()) {
      if (auto* wanted = files.wanted(member->name)) *wanted = reader.read_all(kMaxFileBytes);
    }
  }
  for (const auto& [bytes, name] : {std::pair(&files.meta, kMeta), std::pair(&files.labels, kLabels)}) {
    if (*bytes) continue;
    throw Error(ExitCode::bad_data, fmt::format("{}: no {} inside", path.string(), name),
                "give ILSVRC2012_devkit_t12.tar.gz, or the folder it unpacks to");
  }
  return files;
}

// Only the leaves of the hierarchy are classes: synsets without children.
std::map<std::uint32_t, ClassEntry> classes_by_id(std::span<const std::byte> meta, const std::string& path) {
  const MatlabStructs synsets = read_matlab_structs(meta, "synsets", path);
  const std::size_t id = synsets.field("ILSVRC2012_ID", path), wnid = synsets.field("WNID", path),
                    words = synsets.field("words", path), children = synsets.field("num_children", path);
  std::map<std::uint32_t, ClassEntry> classes;
  for (const auto& row : synsets.rows) {
    const auto& ids = row[id].numbers;
    const bool good = ids.size() == 1 && ids[0] >= 1 && ids[0] < 1e6 && row[children].numbers.size() == 1 &&
                      is_wnid(row[wnid].text);
    if (!good)
      throw Error(ExitCode::bad_data, fmt::format("{}: a synset without id, WNID or children", path));
    if (row[children].numbers[0] != 0) continue;
    const std::string& name = row[words].text;
    const bool named = !name.empty() && is_utf8(name);
    const ClassEntry entry{named ? name : row[wnid].text, row[wnid].text};
    if (!classes.emplace(static_cast<std::uint32_t>(ids[0]), entry).second) {
      throw Error(ExitCode::bad_data, fmt::format("{}: the id {} is there twice", path, ids[0]));
    }
  }
  if (classes.empty()) throw Error(ExitCode::bad_data, path + ": no synset without children");
  return classes;
}

}  // namespace

ImagenetDevkit read_devkit(const fs::path& path) {
  const KitFiles files = files_of(path);
  const auto by_id = classes_by_id(*files.meta, fmt::format("{}: {}", path.string(), kMeta));
  ImagenetDevkit kit;
  for (const auto& [id, entry] : by_id) kit.classes.push_back(entry);
  std::ranges::sort(kit.classes, {}, &ClassEntry::wnid);
  std::map<std::uint32_t, std::uint32_t> index_of_id;
  for (const auto& [id, entry] : by_id) {
    const auto place = std::ranges::lower_bound(kit.classes, entry.wnid, {}, &ClassEntry::wnid);
    index_of_id[id] = static_cast<std::uint32_t>(place - kit.classes.begin());
  }
  const auto twice = std::ranges::adjacent_find(kit.classes, {}, &ClassEntry::wnid);
  if (twice != kit.classes.end()) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {} is there twice", path.string(), twice->wnid));
  }
  const auto* at = reinterpret_cast<const char*>(files.labels->data());
  for (const char* const end = at + files.labels->size(); at != end;) {
    const char* const line_end = std::find(at, end, '\n');
    const char* const text_end = line_end != at && line_end[-1] == '\r' ? line_end - 1 : line_end;
    std::uint32_t id = 0;
    const auto [stop, error] = std::from_chars(at, text_end, id);
    const auto found = index_of_id.find(id);
    if (error != std::errc() || stop != text_end || found == index_of_id.end()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: {}: line {} is no class of {}", path.string(), kLabels,
                                                  kit.validation.size() + 1, kMeta));
    }
    kit.validation.push_back(found->second);
    at = line_end == end ? end : line_end + 1;
  }
  return kit;
}

}  // namespace vitrail::datasets
