// Glances as OpenMetrics text, for node_exporter's textfile collector; a pure function.
#pragma once

#include <string>
#include <vector>

#include "launcher/watch/glance.hpp"

namespace vitrail::launcher {

// vitrail_step{run="first"} 120 and the like; what is not known has no line.
std::string open_metrics(const std::vector<Glance>& glances);

}  // namespace vitrail::launcher
