// A configuration file and the files that it includes, as settings in the order in which they apply. Lines
// `include = FILE` stand at the top, before the first setting; FILE is relative to the file that names it,
// and what follows wins over it. Throws: Error(usage) naming file and line where an include stands elsewhere,
// leads to no file, in a circle or too deep, or where a file sets a key twice; Error(io).
#pragma once

#include <string>
#include <vector>

#include "launcher/options/options_text.hpp"

namespace vitrail::launcher {

inline constexpr int kDeepestInclude = 8;  // files one inside the other

std::vector<Setting> read_config_file(const std::string& path);

}  // namespace vitrail::launcher
