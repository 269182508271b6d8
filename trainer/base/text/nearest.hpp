// The known name that a mistyped one most likely meant: fewest letters inserted, dropped, replaced or swapped
// with their neighbour.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace vitrail {

// Letters inserted, dropped, replaced or swapped with their neighbour.
std::size_t edit_distance(const std::string& a, const std::string& b);

// A name without a dot is also compared with what follows the dot of a known one ("lanes": run.lanes).
// The first of the nearest. Empty where nothing is near: a third of other letters makes another name.
std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

}  // namespace vitrail
