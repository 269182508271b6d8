#include "launcher/cli/command.hpp"

#include <algorithm>

#include "launcher/cli/command_line.hpp"
#include "launcher/options/option_synonyms.hpp"

namespace vitrail::launcher {

const Command* find_command(const std::string& name) {
  const auto found = std::ranges::find(commands(), name, &Command::name);
  return found == commands().end() ? nullptr : &*found;
}

const Command& command_named(const std::string& name) {
  if (const Command* command = find_command(name)) return *command;
  std::vector<std::string> names;
  for (const Command& command : commands()) names.push_back(command.name);
  const std::string meant = meant_command(name, names);
  throw Error(ExitCode::usage, fmt::format("command line: unknown command {}{} (vitrail --help lists them)",
                                           name, meant.empty() ? "" : "; nearest known command: " + meant));
}

bool every_setting_of_runs(const trainer::Setting& setting) { return setting.of_runs; }

std::function<bool(const trainer::Setting&)> these_settings(std::vector<std::string> patterns) {
  return [patterns = std::move(patterns)](const trainer::Setting& setting) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) {
      return pattern.ends_with('.') ? setting.key.starts_with(pattern) : setting.key == pattern;
    });
  };
}

ExitCode built_without_torch(const CommandLine& line, const Environment&) {
  throw Error(ExitCode::usage,
              fmt::format("vitrail {}: this program was built without LibTorch", line.command->name),
              "build it with -DVITRAIL_TORCH=ON");
}

}  // namespace vitrail::launcher
