// A command line of `plan` as what is planned: ranks on nodes, devices by name or by hand, and what is
// assumed where nothing is said.
// Throws: Error(usage) for numbers by hand that are missing, Error(refused) for ranks that have no place.
#pragma once

#include "launcher/cli/command_line.hpp"
#include "launcher/plan/cluster_plan.hpp"

namespace vitrail::launcher {

PlanInput plan_input(const CommandLine& line, std::int64_t steps);

}  // namespace vitrail::launcher
