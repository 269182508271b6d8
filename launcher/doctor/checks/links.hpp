// Verdicts on the links between ranks: against what a plan of this device assumes, and against each other.
// Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/doctor/facts/links.hpp"
#include "launcher/doctor/finding.hpp"
#include "launcher/plan/measured_links.hpp"

namespace vitrail::launcher {

// What `vitrail plan` counts with, of one rank and one direction; absent: it has no figure of this device.
struct ExpectedLinks {
  std::optional<double> node_gb_per_s, network_gb_per_s;
  std::string source;  // "80 % of H100's data sheet"
};

// `hosts` by rank. `infiniband`: some node has it.
Findings check_links(const LinkFacts& facts, const std::vector<std::string>& hosts,
                     const ExpectedLinks& expected, bool infiniband);

// The medians, for plans. Without date and device.
MeasuredLinks medians_of(const LinkFacts& facts, const std::vector<std::string>& hosts);

}  // namespace vitrail::launcher
