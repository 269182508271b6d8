// What stands in the classifier's place where a task learns no labels. Throws: Error(refused) for a network
// that it does not fit.
#pragma once

#include "models/families/families.hpp"
#include "models/heads/head.hpp"

namespace vitrail::models {

// Of the network that `family` has declared.
Head declare_task_head(Declaration& d, const TaskHead& head, const FamilyConfig& family);

}  // namespace vitrail::models
