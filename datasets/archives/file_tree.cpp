#include "datasets/archives/file_tree.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "datasets/pack/pack_format.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

bool holds(const fs::path& outer, const fs::path& inner) {
  return std::ranges::mismatch(outer, inner).in1 == outer.end();
}

class Walk {
 public:
  Walk(std::vector<TreeFile>& files, OddNames odd) : files_(files), odd_(odd) {}

  void add_files(const fs::path& folder, const std::string& prefix) {
    way_.push_back(fs::canonical(folder));
    for (const auto& entry : sorted_entries(folder)) {
      const std::string name =
          prefix + (odd_ == OddNames::kept ? entry.path().filename().native() : utf8_name(entry));
      std::error_code error;
      if (entry.is_directory(error)) {
        if (leads_back(entry)) {
          files_.push_back({name, 0, false, true});
        } else {
          add_files(entry.path(), name + "/");
        }
      } else if (entry.is_regular_file(error)) {
        const auto bytes = entry.file_size(error);
        if (error) throw io_error("cannot stat", entry.path(), error.value());
        files_.push_back({name, bytes, true});
      } else {
        files_.push_back({name, 0, false, false, entry.is_symlink(error) && !entry.exists(error)});
      }
    }
    way_.pop_back();
  }

 private:
  // Only a link can; the folders gone through so far may have been links themselves.
  bool leads_back(const fs::directory_entry& entry) const {
    std::error_code error;
    if (!entry.is_symlink(error)) return false;
    const fs::path target = fs::canonical(entry.path());
    return std::ranges::any_of(way_, [&](const fs::path& gone) { return holds(target, gone); });
  }

  std::vector<TreeFile>& files_;
  OddNames odd_;
  std::vector<fs::path> way_;  // canonical
};

}  // namespace

bool is_system_folder(const std::string& name) {
  constexpr std::array<std::string_view, 7> kNames = {
      "__MACOSX",   "lost+found", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information",
      "__pycache__"};
  return std::ranges::find(kNames, name) != kNames.end();
}

bool is_in_system_folder(const std::string& path) {
  for (std::size_t begin = 0, end = 0; (end = path.find('/', begin)) != std::string::npos; begin = end + 1) {
    if (is_system_folder(path.substr(begin, end - begin))) return true;
  }
  return false;
}

bool is_hidden(const std::string& path) {
  return path.starts_with('.') || path.find("/.") != std::string::npos;
}

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

std::vector<TreeFile> files_below(const fs::path& folder, OddNames odd) {
  std::vector<TreeFile> files;
  try {
    Walk(files, odd).add_files(folder, "");
  } catch (const fs::filesystem_error& e) {
    throw io_error("cannot look at", e.path1(), e.code().value());
  }
  return files;
}

}  // namespace vitrail::datasets
