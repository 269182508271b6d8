#include "datasets/archives/file_tree.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "datasets/pack/pack_format.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/utf8.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

void add_files(const fs::path& folder, const std::string& prefix, std::vector<TreeFile>& files) {
  for (const auto& entry : sorted_entries(folder)) {
    const std::string name = prefix + utf8_name(entry);
    std::error_code error;
    if (entry.is_directory(error) && !entry.is_symlink(error)) {  // a link to a folder could lead back here
      add_files(entry.path(), name + "/", files);
    } else if (entry.is_regular_file(error)) {
      const auto bytes = entry.file_size(error);
      if (error) throw io_error("cannot stat", entry.path(), error.value());
      files.push_back({name, bytes, true});
    } else {
      files.push_back({name, 0, false});
    }
  }
}

}  // namespace

std::vector<fs::directory_entry> sorted_entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  if (error) throw io_error("cannot list folder", folder, error.value());
  std::ranges::sort(entries, {}, [](const fs::directory_entry& e) { return e.path().filename().native(); });
  return entries;
}

std::string utf8_name(const fs::directory_entry& entry) {
  std::string name = entry.path().filename().native();
  if (!is_utf8(name)) {
    throw Error(
        ExitCode::bad_data,
        fmt::format("{}/{}: the name is not UTF-8", entry.path().parent_path().native(), printable(name)),
        "rename the file");
  }
  return name;
}

std::vector<TreeFile> files_below(const fs::path& folder) {
  std::vector<TreeFile> files;
  add_files(folder, "", files);
  return files;
}

}  // namespace vitrail::datasets
