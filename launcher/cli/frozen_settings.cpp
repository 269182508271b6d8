#include "launcher/cli/frozen_settings.hpp"

#include <filesystem>

#include "launcher/cli/stored_settings.hpp"
#include "launcher/options/options.hpp"
#include "launcher/options/options_text.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/settings/run_identity.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::size_t kMostNotes = 8;

// Where the run lives, as far as flags tell.
trainer::RunDirectory directory_of(const std::vector<Setting>& flags) {
  trainer::RunConfig run;
  bool named = false;
  for (const Setting& flag : flags) {
    if (flag.key == "run.dir") run.dir = flag.value;
    if (flag.key == "run.name") run.name = flag.value;
    named = named || flag.key == "run.dir" || flag.key == "run.name";
  }
  return named ? trainer::run_directory(run) : trainer::RunDirectory{};
}

// The same line with one config file: the run's own.
std::vector<std::string> words_with(const std::filesystem::path& config, const Words& given) {
  std::vector<std::string> words = {"launch", "--config", config.string()};
  for (const Setting& flag : given.flags) {
    if (flag.key != "config") words.insert(words.end(), flag.words.begin(), flag.words.end());
  }
  words.insert(words.end(), given.arguments.begin(), given.arguments.end());
  return words;
}

std::vector<std::string> differences(const SettingsMap& files, const SettingsMap& own,
                                     const std::filesystem::path& config) {
  std::vector<std::string> notes;
  std::size_t more = 0;
  for (const auto& [key, value] : files) {
    const auto mine = own.find(key);
    if (mine != own.end() && mine->second == value) continue;
    if (notes.size() == kMostNotes) {
      ++more;
      continue;
    }
    notes.push_back(
        fmt::format("{} = {} in the files named now, {} in {}, which counts; to change it: --{} {}", key,
                    value, mine == own.end() ? "unset" : mine->second, config.string(), key, value));
  }
  if (more > 0) notes.push_back(fmt::format("and {} more settings that differ", more));
  return notes;
}

}  // namespace

CommandLine parse_frozen(const std::vector<std::string>& words, const Environment& environment) {
  const Words given = split_flags({words.begin() + 1, words.end()}, make_options());
  const bool requeued = environment.slurm && environment.slurm->restart_count > 0;
  trainer::RunDirectory directory = directory_of(given.flags);
  std::optional<CommandLine> files;
  std::string broken;
  try {
    files = parse_with_stored_settings(words);
    if (directory.root.empty()) directory = trainer::run_directory(files->config.run);
  } catch (const Error& e) {
    // Files that were broken since do not concern a run that has its own.
    if (!requeued || directory.root.empty()) throw;
    broken = e.what();
  }
  const bool begun = environment.slurm && std::filesystem::exists(directory.config());
  if (!begun && !broken.empty()) throw Error(ExitCode::usage, broken);
  if (!begun || (files && files->answer)) return *files;
  CommandLine frozen = parse_command_line(words_with(directory.config(), given));
  if (!files) {
    frozen.notes.push_back(fmt::format("goes on with {}: {}", directory.config().string(), broken));
    return frozen;
  }
  const SettingsMap now = trainer::settings_of(files->config), own = trainer::settings_of(frozen.config);
  if (!requeued && !trainer::why_refused(own, now).empty()) return *files;
  frozen.flags = files->flags;  // how ranks are started is no setting of the run
  frozen.notes = differences(now, own, directory.config());
  return frozen;
}

}  // namespace vitrail::launcher
