// One command of the program: what it is called, what it takes and what it does. Each is made in a file of
// launcher/commands; the list is launcher/commands/commands.cpp.
#pragma once

#include <any>
#include <functional>
#include <string>
#include <vector>

#include "launcher/options/option.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {

struct Environment;

// What comes before the settings that a line gives.
enum class Stored {
  nothing,
  weights,    // how images were normalised for the weights that it takes over
  run,        // of a run that goes on, its own; else as for weights
  checkpoint  // the settings of the checkpoint that --checkpoint names; else as for weights
};

struct Command {
  std::string name;
  std::string usage;  // what follows the name
  std::string summary;
  std::string example;
  std::size_t least_arguments = 0, most_arguments = 0;     // words without a key: PACK, PATH
  std::string note = {};                                   // a paragraph above its options
  std::function<bool(const trainer::Setting&)> uses = {};  // which settings; empty: none
  std::any flags = {};                                     // its own, at their defaults
  std::vector<Option> options = {};                        // that set them
  std::string passes_to = {};                              // a command that is given the words that both use
  std::string collects_for = {};                           // a command whose words are kept for it
  Stored stored = Stored::nothing;
  bool holds_stop_signals = false;  // until it looks for them
  CommandLine (*parse)(const std::vector<std::string>& words,
                       const Environment&) = nullptr;              // in its own way
  void (*take)(CommandLine&) = nullptr;                            // what it makes of words without a key
  trainer::Config (*config_in_use)(const CommandLine&) = nullptr;  // what conditions look at
  void (*check)(const CommandLine&) = nullptr;                     // throws what cannot be honoured together
  bool (*lacks_settings)(const CommandLine&) = nullptr;  // true: required ones of a run need not be given
  bool by_many = false;  // it may be started together with others of its kind; else once
  ExitCode (*run)(const CommandLine&, const Environment&) = nullptr;
};

const std::vector<Command>& commands();  // in the order of help

// Null: there is none. Throws: Error(usage) with the nearest known one.
const Command* find_command(const std::string& name);
const Command& command_named(const std::string& name);

// For Command::uses. Patterns: keys, or sections with their dot.
bool every_setting_of_runs(const trainer::Setting& setting);
std::function<bool(const trainer::Setting&)> these_settings(std::vector<std::string> patterns);

// For Command::run of what needs LibTorch, where the program is built without.
ExitCode built_without_torch(const CommandLine& line, const Environment& environment);

}  // namespace vitrail::launcher
