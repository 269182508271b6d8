// The help texts, made from the tables of commands and options; 100 columns wide.
#pragma once

#include <string>
#include <vector>

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

std::string help_text();  // of the program
std::string help_text(const Command& command, const std::vector<Option>& options);

}  // namespace vitrail::launcher
