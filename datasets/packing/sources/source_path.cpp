#include "datasets/packing/sources/source_path.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWays =
    "a tar, or a folder, of a tar for each class is imagenet-train: or imagenet-21k:, a tar of validation "
    "images is imagenet-val:, a folder of images in a folder for each class is folder:, one folder of images "
    "with a list of labels flat:, and without labels images:";

}  // namespace

void require_path(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error)) return;
  throw io_error("cannot look at", path, error ? error.value() : ENOENT);
}

void require_file(const fs::path& path, const std::string& form) {
  require_path(path);
  if (!fs::is_directory(path)) return;
  throw Error(ExitCode::bad_data, fmt::format("{} is a folder, not {}", path.string(), form), kWays);
}

void require_folder(const fs::path& path, const std::string& form) {
  require_path(path);
  if (fs::is_directory(path)) return;
  throw Error(ExitCode::bad_data, fmt::format("{} is a file, not {}", path.string(), form), kWays);
}

bool looks_like_image(const std::string& name) {
  std::string ending = name.substr(std::min(name.size(), name.rfind('.')));
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".jpeg" || ending == ".jpg" || ending == ".png" || ending == ".webp";
}

}  // namespace vitrail::datasets
