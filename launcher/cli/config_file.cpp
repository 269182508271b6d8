#include "launcher/cli/config_file.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/written_text.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInclude = "include";

Error wrong(const Setting& setting, const std::string& why) {
  return Error(ExitCode::usage,
               fmt::format("{}: {} = {}: {}", setting.place, setting.key, setting.value, why));
}

// The file that `include` names, or why there is none to read. `open`: the files that led here, outermost
// first.
fs::path included_file(const Setting& include, const std::vector<fs::path>& open) {
  const fs::path path = open.back().parent_path() / include.value;
  std::error_code unreadable;
  if (!fs::is_regular_file(path, unreadable)) throw wrong(include, "there is no such file");
  const auto same = [&](const fs::path& other) { return fs::equivalent(path, other, unreadable); };
  if (std::ranges::any_of(open, same))
    throw wrong(include, "the file includes itself, by whatever way round");
  if (open.size() >= kDeepestInclude)
    throw wrong(include, fmt::format("more than {} files one inside the other", kDeepestInclude));
  return path;
}

std::vector<Setting> read(std::vector<fs::path>& open) {
  std::vector<Setting> all;
  std::map<std::string, std::string> places;  // of this file's own keys
  const std::string text = read_written_text(open.back(), ExitCode::usage);
  for (Setting& setting : split_file(open.back().string(), text)) {
    if (setting.key.ends_with(fmt::format(".{}", kInclude)) || (setting.key == kInclude && !places.empty()))
      throw wrong(setting, "include stands at the top of a file, before sections and settings");
    if (setting.key == kInclude) {
      open.push_back(included_file(setting, open));
      std::ranges::move(read(open), std::back_inserter(all));
      open.pop_back();
      continue;
    }
    const auto [earlier, first] = places.emplace(setting.key, setting.place);
    if (!first) {
      throw Error(ExitCode::usage, fmt::format("{}: {}: set twice in this file, first at {}", setting.place,
                                               setting.key, earlier->second));
    }
    all.push_back(std::move(setting));
  }
  return all;
}

}  // namespace

std::vector<Setting> read_config_file(const std::string& path) {
  std::vector<fs::path> open = {path};
  return read(open);
}

}  // namespace vitrail::launcher
