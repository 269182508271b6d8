// Folders of images: what lies in one or below it, in the order of names, so that the same files give the
// same list everywhere. Links to folders are followed, but none that leads back to a folder which holds it.
// Throws: Error(io); Error(bad_data) for names that are not UTF-8.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::datasets {

std::vector<std::filesystem::directory_entry> sorted_entries(const std::filesystem::path& folder);
std::string utf8_name(const std::filesystem::directory_entry& entry);

struct TreeFile {
  std::string name;  // the path below the folder
  std::uint64_t bytes = 0;
  bool is_file = true;   // else a pipe, a dangling link or a loop
  bool is_loop = false;  // a link to a folder that holds it
  bool is_dangling = false;
};

enum class OddNames { refused, kept };  // that are not UTF-8: kept as they are

// What systems and archivers leave in folders, which is nobody's class and holds no images of one: __MACOSX,
// lost+found, @eaDir and the like. Those that begin with a dot are hidden anyway.
bool is_system_folder(const std::string& name);
bool is_in_system_folder(const std::string& path);  // of any of its folders
bool is_hidden(const std::string& path);  // its name, or that of any of its folders, begins with a dot

std::vector<TreeFile> files_below(const std::filesystem::path& folder, OddNames odd = OddNames::refused);

}  // namespace vitrail::datasets
