// Which commands use a setting of a run.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/command.hpp"

namespace vitrail::launcher {

std::vector<Command> commands_of(const std::string& key);

}  // namespace vitrail::launcher
