// Verdicts on a run's data: whether it is what its model learns from, on all ranks the same, and comes as
// fast as the model wants it. Pure functions.
#pragma once

#include <optional>

#include "launcher/doctor/facts/data.hpp"
#include "launcher/doctor/finding.hpp"

namespace vitrail::launcher {

// `model_classes`: absent where labels are not learned. `wanted`: images a second that a rank computes, by
// plan; absent: nobody knows.
Findings check_data(const DataFacts& facts, const std::optional<std::int64_t>& model_classes,
                    const std::optional<double>& wanted);

}  // namespace vitrail::launcher
