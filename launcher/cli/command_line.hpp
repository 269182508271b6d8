// What the user asked for, as one value: the command, the settings of a run and the command's own flags.
// Throws: Error(usage), one line naming where it came from, the key, the value and what is expected;
// Error(refused) for valid options that cannot be honoured together; Error(io) for a file nobody can read.
#pragma once

#include <any>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "launcher/cli/command.hpp"
#include "trainer/base/error.hpp"
#include "trainer/settings/settings.hpp"

namespace vitrail::launcher {

using trainer::SettingsMap;

enum class OutputFormat { text, json, csv };

// Printed instead of running the command.
struct Answer {
  std::string text;
  ExitCode code = ExitCode::done;  // usage: the text belongs on stderr
};

struct CommandLine {
  CommandLine() = default;  // of no command
  explicit CommandLine(const Command& of) : command(&of), flags(of.flags) {}

  const Command* command = nullptr;
  trainer::Config config;
  std::any flags;  // the command's own
  bool help = false, print_config = false;
  std::vector<std::string> config_files;
  std::vector<std::string> arguments;  // PACK, GRID, or the paths of `checkpoint`
  std::set<std::string> flags_given;   // keys that flags gave, not files
  std::vector<std::string> passed_on;  // words for Command::passes_to or collects_for
  std::vector<std::string> notes;      // to be said before the command runs
  std::optional<Answer> answer;        // --help, --version, --print-config, or no command at all

  // The command's flags; F: their type.
  template <class F>
  const F& own() const {
    return std::any_cast<const F&>(flags);
  }
  template <class F>
  F& own() {
    return std::any_cast<F&>(flags);
  }
};

// `words`: argv without the program. Config files apply in their order, then flags; later wins. `base`:
// settings that come before all of them (a checkpoint's); those that the command does not use are passed
// over.
CommandLine parse_command_line(const std::vector<std::string>& words, const SettingsMap& base = {});

// The value of the last such flag in the words, unchecked; empty: none.
std::string flag_in(const std::vector<std::string>& words, const std::string& key);

// The settings that the command uses, key -> value.
SettingsMap resolved_settings(const CommandLine& line);

// The settings that the command uses, as an INI file that parses to the same settings.
std::string print_config(const CommandLine& line);

}  // namespace vitrail::launcher
