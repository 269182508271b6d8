// The option table: every key and flag of the program. Parser, help, defaults, bounds, messages and
// --print-config all come from it. Settings of a run are declared in trainer/settings/sections, flags by the
// commands in launcher/commands.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/command.hpp"

namespace vitrail::launcher {

std::vector<Option> make_options();  // in the order of help

// The option of that key; where commands share a flag's name, the one of `command`. Null: there is none.
const Option* find_option(const std::vector<Option>& options, const std::string& key, const Command& command);

}  // namespace vitrail::launcher
