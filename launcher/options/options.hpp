// The option table: every key and flag of the program, declared once. Parser, help, defaults, bounds,
// messages and --print-config all come from it. Settings of a run: trainer/settings/sections.
#pragma once

#include <string>
#include <vector>

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

std::vector<Option> make_options();  // in the order of help

// The option of that key; where commands share a flag's name, the one of `command`. Null: there is none.
const Option* find_option(const std::vector<Option>& options, const std::string& key, Command command);

// The table's parts.
void add_flags(std::vector<Option>& table);  // of single commands
void add_plan_flags(std::vector<Option>& table);
void add_launch_settings(std::vector<Option>& table);

}  // namespace vitrail::launcher
