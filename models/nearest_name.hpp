// The known name a mistyped one most likely meant: the fewest insertions, deletions and replacements away.
#pragma once

#include <string>
#include <vector>

namespace vitrail::models {

// The first of the nearest; empty where nothing is known.
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

}  // namespace vitrail::models
