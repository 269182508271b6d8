// Verdicts on a run's settings, the state of its folder and the weights that it begins with. Throw nothing:
// what the settings are refused with is the finding.
#pragma once

#include <cstdint>
#include <optional>

#include "launcher/doctor/facts/run.hpp"
#include "launcher/doctor/finding.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

// `ranks`: that will share the run; absent: not told.
Finding check_settings(const trainer::Config& config, const std::optional<std::int64_t>& ranks);
Findings check_run(const RunFacts& facts);

}  // namespace vitrail::launcher
