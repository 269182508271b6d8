// What `vitrail plan` prints. Every figure of it is an estimate and says so, beside what it was made from.
#pragma once

#include <optional>
#include <string>

#include "launcher/plan/cluster_plan.hpp"
#include "launcher/plan/measured.hpp"

namespace vitrail::launcher {

// Batches for which the most ranks that lose at most this share of their time are named.
inline constexpr std::int64_t kNamedBatches[] = {2048, 16384};
inline constexpr double kAcceptedShare = 0.05;

std::string plan_text(const PlanInput& in, const std::optional<MeasuredRun>& run);
std::string plan_json(const PlanInput& in, const std::optional<MeasuredRun>& run);

// A row for each power of two of ranks up to `most`, as a table of Markdown or an array of such plans.
std::string plans_text(const PlanInput& in, std::int64_t most);
std::string plans_json(const PlanInput& in, std::int64_t most);

}  // namespace vitrail::launcher
