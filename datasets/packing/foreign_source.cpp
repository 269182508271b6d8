#include "datasets/packing/foreign_source.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr ForeignSource kMds = {
    "MosaicML's shards, which are not read",
    "write their samples as WebDataset tars: for each sample s of streaming.StreamingDataset(local=DIR), "
    "webdataset.TarWriter's write({'__key__': '%09d' % i, 'jpg': the image's bytes, 'cls': s['y']}); then "
    "wds:"};
constexpr ForeignSource kLmdb = {
    "a database of LMDB, which is not read",
    "write its values as files: a folder for each class (folder:), or WebDataset tars (wds:), with the "
    "cursor of Python's lmdb"};
constexpr ForeignSource kBeton = {
    "FFCV's file, which is not read",
    "it holds no files but pages of them: take what it was written from, a folder (folder:) or WebDataset "
    "tars (wds:)"};

// MosaicML's index.json tells each shard's format.
bool is_index_of_mds(const fs::path& path) {
  std::ifstream file(path);
  std::array<char, 4096> head{};
  file.read(head.data(), head.size());
  const std::string_view text(head.data(), static_cast<std::size_t>(file.gcount()));
  return text.find("\"shards\"") != std::string_view::npos && text.find("\"mds\"") != std::string_view::npos;
}

std::optional<ForeignSource> by_content(const fs::path& path) {
  std::error_code unreadable;
  const std::string name = path.filename().string(), ending = path.extension().string();
  if (ending == ".beton") return kBeton;
  if (ending == ".mds") return kMds;
  if (ending == ".lmdb" || ending == ".mdb") return kLmdb;
  if (fs::is_directory(path, unreadable)) {
    if (fs::exists(path / "data.mdb", unreadable)) return kLmdb;
    if (is_index_of_mds(path / "index.json")) return kMds;
  }
  if (name == "index.json" && is_index_of_mds(path)) return kMds;
  return std::nullopt;
}

}  // namespace

std::optional<ForeignSource> foreign_source(const std::string& source) {
  const auto colon = source.find(':');
  const std::string kind = source.substr(0, colon);
  if (kind == "mds") return kMds;
  if (kind == "lmdb") return kLmdb;
  if (kind == "beton" || kind == "ffcv") return kBeton;
  return by_content(colon == std::string::npos ? source : source.substr(colon + 1));
}

}  // namespace vitrail::datasets
