// Manual pages in roff, section 1, from the tables of commands and options; pure functions.
#pragma once

#include <string>
#include <vector>

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

std::string manual_page();  // of the program: vitrail(1)
std::string manual_page(const Command& command, const std::vector<Option>& options);

}  // namespace vitrail::launcher
