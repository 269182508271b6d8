// The known key that a mistyped one most likely meant: fewest letters inserted, dropped, replaced or swapped.
#pragma once

#include <string>
#include <vector>

namespace vitrail::launcher {

// A key written without its section is compared with the last parts of the known ones ("lanes": run.lanes).
// The first of the nearest; empty where nothing is known.
std::string nearest_key(const std::string& key, const std::vector<std::string>& known);

}  // namespace vitrail::launcher
