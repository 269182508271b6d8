// Words that a shell may offer behind `vitrail`, and manual pages, from the tables of commands and options;
// pure functions.
#pragma once

#include <string>
#include <vector>

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

// A script for bash: commands, their options, and the values of options that have a choice; else files.
std::string bash_completion(const std::vector<Option>& options);

}  // namespace vitrail::launcher
