#include "launcher/sweep/frozen.hpp"

#include <algorithm>
#include <sstream>

#include "launcher/cli/config_file.hpp"
#include "launcher/options/options.hpp"
#include "launcher/options/options_text.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHead =
    "# What the tasks of this sweep share, as of when it was submitted or first run; they read this file, "
    "not\n"
    "# the config files that were named then.\n";
constexpr const char* kWords = "# given as flags:";
constexpr std::size_t kMostDifferences = 6;

std::string to_text(const SharedSettings& settings) {
  std::string text = kHead;
  text += kWords;
  for (const std::string& key : settings.words) text += " " + key;
  if (settings.values.empty()) return text + "\n";
  return text + "\n\n" + trainer::ini_text({settings.values.begin(), settings.values.end()});  // sorted
}

// As --print-config shows it: 1e-3 and 0.001 are the same.
std::string shown(const SharedSettings& settings, const std::string& key,
                  const std::vector<Option>& options) {
  const auto value = settings.values.find(key);
  const Option* option = find_option(options, key, command_named("launch"));
  CommandLine line(command_named("launch"));
  if (option == nullptr || (value != settings.values.end() && !option->set(line, value->second)))
    return value == settings.values.end() ? "" : value->second;
  return option->get(line).value_or("");
}

}  // namespace

GivenWords sort_words(const std::vector<std::string>& launch_arguments, const std::vector<Option>& options) {
  GivenWords given;
  for (const Setting& flag : split_flags(launch_arguments, options).flags) {
    const Option* option = find_option(options, flag.key, command_named("launch"));
    if (flag.key == "config") {
      given.files.push_back(flag.value);
    } else if (option != nullptr && option->is_setting()) {
      given.flags.emplace_back(flag.key, flag.value);
      given.flag_words.insert(given.flag_words.end(), flag.words.begin(), flag.words.end());
    } else {
      given.rest.insert(given.rest.end(), flag.words.begin(), flag.words.end());
    }
  }
  return given;
}

SharedSettings read_files(const std::vector<std::string>& files) {
  SharedSettings settings;
  for (const std::string& path : files) {
    if (!fs::is_regular_file(path))
      throw Error(ExitCode::usage, fmt::format("command line: --config {}: there is no such file", path));
    for (const Setting& setting : read_config_file(path)) settings.values[setting.key] = setting.value;
  }
  return settings;
}

void apply_flags(const GivenWords& given, SharedSettings& settings) {
  std::set<std::string> now;
  for (const auto& [key, value] : given.flags) {
    for (const auto& [length, other] : {std::pair("run.steps", "run.epochs"), {"run.epochs", "run.steps"}}) {
      if (key != length || now.contains(other)) continue;
      settings.values.erase(other);
      settings.words.erase(other);
    }
    settings.values[key] = value;
    settings.words.insert(key);
    now.insert(key);
  }
}

fs::path frozen_file(const fs::path& folder) { return folder / "config.cfg"; }

std::optional<SharedSettings> read_frozen(const fs::path& folder) {
  if (!fs::is_regular_file(frozen_file(folder))) return std::nullopt;
  SharedSettings settings = read_files({frozen_file(folder).string()});
  std::istringstream lines(read_text(frozen_file(folder)));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(kWords)) continue;
    std::istringstream keys(line.substr(std::string_view(kWords).size()));
    for (std::string key; keys >> key;) settings.words.insert(key);
  }
  return settings;
}

fs::path write_frozen(const fs::path& folder, const SharedSettings& settings) {
  const std::string text = to_text(settings);
  const fs::path named = folder / fmt::format("config-{}.cfg", hash_text(text).hex().substr(0, 8));
  make_directories(folder);
  for (const fs::path& path : {named, frozen_file(folder)}) {
    if (!fs::exists(path) || read_text(path) != text) write_text_atomically(path, text);
  }
  return named;
}

bool names_frozen(const GivenWords& given, const fs::path& folder) {
  if (given.files.size() != 1) return false;
  const fs::path path = given.files.front();
  std::error_code none;
  return path.filename().string().starts_with("config-") &&
         fs::equivalent(path.has_parent_path() ? path.parent_path() : ".", folder, none);
}

std::string differences(const SharedSettings& frozen, const SharedSettings& now,
                        const std::vector<Option>& options) {
  SettingsMap keys = frozen.values;
  keys.insert(now.values.begin(), now.values.end());
  std::string text;
  std::size_t found = 0;
  for (const auto& [key, unused] : keys) {
    const std::string was = shown(frozen, key, options), is = shown(now, key, options);
    if (was == is || ++found > kMostDifferences) continue;
    text += fmt::format("{}{} = {} (frozen: {})", found == 1 ? "" : ", ", key, is, was);
  }
  return found > kMostDifferences ? fmt::format("{} and {} more", text, found - kMostDifferences) : text;
}

}  // namespace vitrail::launcher
