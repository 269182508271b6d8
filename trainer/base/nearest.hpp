// The known name that a mistyped one most likely meant: fewest letters inserted, dropped, replaced or swapped
// with their neighbour.
#pragma once

#include <string>
#include <vector>

namespace vitrail {

// A name without a dot is also compared with what follows the dot of a known one ("lanes": run.lanes).
// The first of the nearest; empty where nothing is known.
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

}  // namespace vitrail
