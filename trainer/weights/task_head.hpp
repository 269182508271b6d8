// What follows a network's body where its task needs no classifier: thrown away by whoever takes the weights.
#pragma once

#include <set>
#include <string>

#include "trainer/settings/settings.hpp"

namespace vitrail::trainer {

// Names of the parameters of such a head, of a run with these settings; none for one with a classifier.
// Throws: as task_head_of.
std::set<std::string> task_head(const SettingsMap& settings, const std::string& place);

}  // namespace vitrail::trainer
