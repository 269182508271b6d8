// The help texts, made from the tables of commands and options; 100 columns wide.
#pragma once

#include <string>
#include <vector>

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

std::string help_text();  // of the program
std::string help_text(const Command& command, const std::vector<Option>& options);

// What they are made of: "flags" or a setting's section; "-n, --ranks N"; choices, bounds, default and those
// conditions that depend on another option of the command, "[1 to 65536 lanes;" "default 1]".
std::string section_of(const Option& option);
std::string left_side(const Option& option);
std::vector<std::string> facts(const Option& option, const Command& command,
                               const std::vector<Option>& options);

}  // namespace vitrail::launcher
