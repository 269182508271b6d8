// How a run with these settings sees images in training: what `preview` and a report draw.
#pragma once

#include <cstdint>

#include "datasets/augment/preview.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

datasets::PreviewPlan preview_plan(const trainer::Config& config, std::int64_t samples, std::int64_t draws);

}  // namespace vitrail::launcher
